//! Laws of run folders: nothing overwritten, nothing torn, every refusal explained.

use flowc::diag::{Code, Diagnostic};
use flowc::folder::{JsonLines, Place, RunFolder, file_safe, resolve, run_id, utc, write_atomic};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn explained(d: &Diagnostic, path: &Path) {
    assert_eq!(d.code, Code::CannotWrite);
    assert!(d.message.contains(&path.display().to_string()), "{}", d.message);
    assert!(!d.message.contains("os error"), "{}", d.message);
    assert!(d.help.is_some());
}

#[test]
fn runs_of_one_second_get_folders_of_their_own_and_latest_is_the_last() {
    let base = tempfile::tempdir().unwrap();
    let place = Place::Under(base.path().join("runs"));
    let all: Vec<RunFolder> = (0..5).map(|_| RunFolder::create(&place, "moons", "seed 0").unwrap()).collect();
    let mut paths: Vec<_> = all.iter().map(|f| f.path().to_path_buf()).collect();
    for folder in &all {
        assert_eq!(fs::read_to_string(folder.file("spec.flow")).unwrap(), "seed 0");
        assert_eq!(folder.path().file_name().unwrap().to_string_lossy(), folder.id());
    }
    let last = all.last().unwrap().path().to_path_buf();
    assert_eq!(resolve(&base.path().join("runs/moons")).unwrap(), last);
    assert_eq!(resolve(&last).unwrap(), last);
    paths.dedup();
    assert_eq!(paths.len(), 5);
}

#[test]
fn a_folder_that_holds_anything_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("mine");
    drop(RunFolder::create(&Place::Exactly(dir.clone()), "moons", "seed 0").unwrap());
    let before = fs::read(dir.join("spec.flow")).unwrap();
    let refusal = RunFolder::create(&Place::Exactly(dir.clone()), "moons", "seed 1").unwrap_err();
    explained(&refusal, &dir);
    assert_eq!(fs::read(dir.join("spec.flow")).unwrap(), before);
}

#[test]
fn a_path_through_a_file_is_explained() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("taken");
    fs::write(&file, "x").unwrap();
    for place in [Place::Exactly(file.clone()), Place::Exactly(file.join("deeper")), Place::Under(file.clone())] {
        explained(&RunFolder::create(&place, "moons", "seed 0").unwrap_err(), &file);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
}

#[test]
fn a_second_process_is_kept_out_until_the_first_ends() {
    let base = tempfile::tempdir().unwrap();
    let first = RunFolder::create(&Place::Under(base.path().into()), "moons", "seed 0").unwrap();
    let path = first.path().to_path_buf();
    let refusal = RunFolder::open(&path).unwrap_err();
    assert_eq!(refusal.code, Code::FolderInUse);
    assert!(refusal.message.contains("another flowc"));
    drop(first);
    assert_eq!(RunFolder::open(&path).unwrap().path(), path);
}

#[test]
fn where_there_is_no_run_it_says_so() {
    let base = tempfile::tempdir().unwrap();
    assert_eq!(RunFolder::open(base.path()).unwrap_err().code, Code::FileNotFound);
    fs::write(base.path().join("latest"), "gone\n").unwrap();
    assert_eq!(resolve(base.path()).unwrap_err().code, Code::FileNotFound);
}

#[test]
fn readers_never_see_half_a_file() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let version = |k: u8| vec![k; 200_000 + usize::from(k)];
    write_atomic(&path, &version(1)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for k in 2..60 {
                write_atomic(&path, &version(k)).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = fs::read(&path).unwrap();
            assert_eq!(seen, version(seen[0]));
        }
    });
    assert_eq!(names(base.path()), ["file"]);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let base = tempfile::tempdir().unwrap();
    let taken = base.path().join("report.html");
    fs::create_dir(&taken).unwrap();
    explained(&write_atomic(&taken, b"x").unwrap_err(), &taken);
    assert_eq!(names(base.path()), ["report.html"]);
    let gone = base.path().join("nowhere/file");
    explained(&write_atomic(&gone, b"x").unwrap_err(), &gone);
    let long = base.path().join("n".repeat(300));
    explained(&write_atomic(&long, b"x").unwrap_err(), &long);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_explained() {
    let full = Path::new("/dev/full");
    let mut lines = JsonLines::open(full).unwrap();
    let d = lines.append(&json!({"step": 1})).unwrap_err();
    explained(&d, full);
    assert!(d.message.contains("no space left") && d.help.unwrap().contains("free some space"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_was_removed_takes_no_line() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("metrics.jsonl");
    let mut lines = JsonLines::open(&path).unwrap();
    lines.append(&json!({"step": 1})).unwrap();
    fs::remove_file(&path).unwrap();
    explained(&lines.append(&json!({"step": 2})).unwrap_err(), &path);
}

#[test]
fn lines_survive_being_cut_anywhere() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("metrics.jsonl");
    let line = |k: u64| json!({"step": k, "loss": 1.5 / (k + 1) as f64, "note": "über"});
    let mut lines = JsonLines::open(&path).unwrap();
    (0..4).for_each(|k| lines.append(&line(k)).unwrap());
    let whole = fs::read(&path).unwrap();
    drop(lines);
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut lines = JsonLines::open(&path).unwrap();
        let kept = whole[..cut].iter().filter(|b| **b == b'\n').count() as u64;
        lines.append(&line(99)).unwrap();
        let expected: Vec<Value> = (0..kept).chain([99]).map(line).collect();
        assert_eq!(lines.read().unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn a_resumed_run_writes_no_step_twice() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("metrics.jsonl");
    let mut lines = JsonLines::open(&path).unwrap();
    (0..10).for_each(|k| lines.append(&json!({"step": k})).unwrap());
    lines.retain(|v| v["step"].as_u64().is_some_and(|s| s < 6)).unwrap();
    (6..10).for_each(|k| lines.append(&json!({"step": k})).unwrap());
    let steps: Vec<u64> = lines.read().unwrap().iter().map(|v| v["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (0..10).collect::<Vec<_>>());
}

#[test]
fn dates_agree_with_counting_days() {
    let leap = |y: u32| (y.is_multiple_of(4) && !y.is_multiple_of(100)) || y.is_multiple_of(400);
    let (mut y, mut m, mut d) = (1970u32, 1u32, 1u32);
    for day in 0..55_000u64 {
        let time = UNIX_EPOCH + Duration::from_secs(86_400 * day + 3_661);
        assert_eq!(utc(time), format!("{y:04}-{m:02}-{d:02}T01:01:01Z"));
        let length = match m {
            2 => 28 + u32::from(leap(y)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        d += 1;
        if d > length {
            (d, m) = (1, m + 1);
        }
        if m > 12 {
            (m, y) = (1, y + 1);
        }
    }
}

#[test]
fn ids_sort_by_time_and_tell_texts_apart() {
    let at = |s: u64| UNIX_EPOCH + Duration::from_secs(s);
    let ids: Vec<String> = (0..200).map(|k| run_id(at(k * 98_765_432 / 10), "a")).collect();
    assert!(ids.is_sorted());
    assert_ne!(run_id(at(0), "a"), run_id(at(0), "b"));
}

#[test]
fn names_become_one_safe_component() {
    for name in ["../../etc/passwd", "", ".", "..", "a/b\\c:d", "über mich", &"é".repeat(500), "straight · seed 0"] {
        let safe = file_safe(name);
        assert!(!safe.is_empty() && safe.len() <= 255 && !safe.starts_with('.'), "{safe}");
        assert!(!safe.contains(['/', '\\', ':', ' ']), "{safe}");
    }
}
