//! What the terminal shows: the summary at 80 columns, progress in a pipe, and Ctrl-C.

use crate::report_records::{comparison, single};
use flowc::term::{Phase, Progress, interrupt, summary};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

fn widest(text: &str) -> usize {
    text.lines().map(|l| l.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_summary_of_a_comparison() {
    let text = summary(&comparison(), Some(Path::new("runs/three-paths/x/report.html")), false);
    let expected = include_str!("term_summary.txt");
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let mut record = comparison();
    for cell in &mut record.cells {
        cell.labels[0] += " with quite a long label that says what differs in this arm";
        for m in &mut cell.metrics {
            m.name += "(sampler: flow(v), solver: dopri5(rtol: 1e-5, atol: 1e-5), by: label)";
            m.unit = Some("something".into());
        }
    }
    record.expectations[0].text = "wasserstein2[straight, independent, first] < ".repeat(4) + "1";
    for record in [record, comparison(), single()] {
        let text = summary(&record, None, false);
        assert!(widest(&text) <= 80, "{text}");
        assert!(!text.contains('\x1b'));
        assert!(text.lines().all(|l| l == l.trim_end()), "{text}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let record = comparison();
    let plain = summary(&record, None, false);
    let mut stripped = String::new();
    let coloured = summary(&record, None, true);
    let mut parts = coloured.split('\x1b');
    stripped.push_str(parts.next().unwrap());
    parts.for_each(|p| stripped.push_str(p.split_once('m').unwrap().1));
    assert_ne!(coloured, plain);
    let tidy = |t: &str| t.lines().map(|l| l.trim_end().to_string()).collect::<Vec<_>>();
    assert_eq!(tidy(&stripped), tidy(&plain));
}

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let mut record = single();
    record.interrupted = true;
    record.resume = Some("flowc resume runs/moons/x".into());
    record.cells[0].steps_done = 1_200;
    record.cells[0].finished = false;
    record.cells[0].metrics.clear();
    record.expectations[0].holds = None;
    let text = summary(&record, None, false);
    for part in ["interrupted at step 1,200 of 20,000\n", "resume  flowc resume runs/moons/x", "open   wasserstein2"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

fn phase(from: u64) -> Phase {
    Phase { what: "train".into(), cell: Some(("straight · seed 0".into(), 2, 9)), grid: false, from, total: 2_000 }
}

#[test]
fn a_pipe_gets_a_line_at_each_tenth() {
    for (from, lines) in [(0, 10), (1_000, 5)] {
        let pipe = Pipe::default();
        let mut progress = Progress::lines(Box::new(pipe.clone()));
        progress.begin(phase(from));
        (from + 1..=2_000).for_each(|k| progress.step(k, Some(3.0)));
        progress.end();
        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        for line in text.lines() {
            assert!(line.starts_with("train straight") && line.contains(" (2 of 9) ") && widest(line) <= 80, "{line}");
            assert!(line.contains("/2,000  loss 3  ") && line.contains("steps/s"), "{line}");
        }
        assert!(text.contains("2,000/2,000"));
    }
}

#[test]
fn cells_of_a_grid_are_told_as_they_end_and_fit_into_80_columns() {
    let pipe = Pipe::default();
    let mut progress = Progress::lines(Box::new(pipe.clone()));
    progress.begin(Phase { what: "train".into(), grid: true, total: 4_000, ..Phase::default() });
    progress.cells(0, 2, &["straight, seed 0".into()]);
    let long = "a label that says what differs in this arm, and says it at some length, seed 17";
    progress.cell_done("straight, seed 0", (1, 2), 3.25, Some(("wasserstein2", 0.298)));
    progress.cell_done(long, (2, 2), 0.042, Some(("wasserstein2(solver: euler(steps: 1))", f64::NAN)));
    progress.end();
    let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "done straight, seed 0 (1 of 2)  3.25 s  wasserstein2 0.298");
    assert!(lines[1].ends_with(" (2 of 2)  42 ms  wasserstein2(solver: eu… nan"), "{text}");
    assert!(widest(&text) <= 80, "{text}");
}

#[test]
fn a_reader_that_left_does_not_stop_the_run() {
    let mut progress = Progress::lines(Box::new(Broken));
    progress.begin(phase(0));
    (1..=2_000).for_each(|k| progress.step(k, Some(f64::NAN)));
    progress.note("still here");
    progress.end();
}

/// Not a test by itself: the process that the next test interrupts.
#[test]
#[ignore = "run by interrupts_stop_first_gently_then_at_once"]
fn interrupted_child() {
    interrupt::install();
    println!("\nready");
    while !interrupt::stop_requested() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    println!("finishing");
    std::thread::sleep(std::time::Duration::from_millis(if std::env::var_os("LINGER").is_some() {
        20_000
    } else {
        50
    }));
    std::process::exit(7);
}

#[cfg(unix)]
#[test]
fn interrupts_stop_first_gently_then_at_once() {
    for (linger, status) in [(false, 7), (true, interrupt::EXIT_STATUS)] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "term::interrupted_child", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if linger {
            command.env("LINGER", "1");
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let signal =
            || assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert!(lines.any(|l| l == "ready"));
        signal();
        assert!(lines.any(|l| l == "finishing"));
        if linger {
            signal();
        }
        assert_eq!(child.wait().unwrap().code(), Some(status));
    }
}
