//! The page in a browser: nothing goes wrong, nothing sticks out, and the slider moves the particles.
//!
//! Needs Chromium; on a machine without it these tests say so and do nothing.

use crate::report_records::{broken, clouds, full, single};
use flowc::report::html::page;
use std::path::Path;
use std::process::Command;

/// The first Chromium of the machine.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = names.into_iter().find(there);
    if found.is_none() {
        println!("skipped: none of {} is on this machine", names.join(", "));
    }
    found
}

/// What a page is after its scripts have run, and what was said on the console.
fn open(browser: &str, folder: &Path, html: &str, width: u32) -> (String, String) {
    let file = folder.join("page.html");
    std::fs::write(&file, html).unwrap();
    let out = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=9000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--window-size={width},900"))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let console =
        String::from_utf8_lossy(&out.stderr).lines().filter(|l| l.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    (String::from_utf8_lossy(&out.stdout).into_owned(), console)
}

/// Ends of the page: what the driver below found out.
const DRIVER: &str = r#"<script>
const slider = document.querySelector(".motion input"), button = document.querySelector(".motion button");
const places = () => [...document.querySelectorAll(".now")].map((p) => p.getAttribute("d")).join();
const to = (t) => { slider.value = t; slider.dispatchEvent(new Event("input")); return places(); };
// A browser without a screen draws when it likes, on a busy machine never: frames come by the timer.
let clock = performance.now();
window.requestAnimationFrame = (f) => setTimeout(() => f(clock = Math.max(clock, performance.now()) + 16), 16);
const say = (name, value) => document.body.setAttribute("data-" + name, value);
addEventListener("load", () => {
  say("hidden", document.querySelector(".motion").hidden);
  const [start, middle, end, again] = [to(0), to(0.4), to(1), to(0.4)];
  say("moved", start !== middle && middle !== end);
  say("same", middle === again);
  say("dots", (start.match(/h0/g) || []).length);
  say("wide", document.documentElement.scrollWidth - innerWidth);
  to(0);
  button.click();
  say("pressed", button.getAttribute("aria-label"));
  setTimeout(() => { button.click(); say("played", slider.value > 0 && places() !== start); say("label", button.getAttribute("aria-label")); }, 2000);
});
</script></body>"#;

#[test]
fn the_slider_moves_the_particles_and_play_plays() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (record, arms) in [(full(), 3), (clouds(1), 1)] {
        let particles: usize = record
            .cells
            .iter()
            .filter(|c| c.seed == 0)
            .filter_map(|c| c.trajectories.as_ref())
            .map(|t| t.particles().count())
            .sum();
        let html = page(&record).replace("</body>", DRIVER);
        let (dom, console) = open(browser, folder.path(), &html, 1_100);
        assert_eq!(console, "");
        let says = |name: &str, value: &str| {
            let found = dom.split(&format!("data-{name}=\"")).nth(1).map(|v| v.split('"').next().unwrap_or_default());
            assert_eq!(found, Some(value), "data-{name}, {arms} arms");
        };
        says("hidden", "false");
        says("moved", "true");
        says("same", "true");
        says("dots", &particles.to_string());
        says("pressed", "pause");
        says("played", "true");
        says("label", "play");
    }
}

#[test]
fn no_page_is_wider_than_its_window_or_complains() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let measure = r#"<script>addEventListener("load", () =>
        document.body.setAttribute("data-wide", document.documentElement.scrollWidth - innerWidth));</script></body>"#;
    for (record, width) in [(full(), 1_100), (single(), 500), (broken(), 500)] {
        let (dom, console) = open(browser, folder.path(), &page(&record).replace("</body>", measure), width);
        assert_eq!(console, "");
        assert!(dom.contains("data-wide=\"0\"") || dom.contains("data-wide=\"-"), "{}: {width}", record.name);
    }
}
