//! Writes pages of invented runs, to be looked at: `cargo run --release --example report_page -- DIR`.

#[path = "suite/report_records.rs"]
mod report_records;

use flowc::report::html::page;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    use report_records::{broken, clouds, comparison, full, single};
    let records = [
        ("comparison", comparison()),
        ("full", full()),
        ("single", single()),
        ("broken", broken()),
        ("line", clouds(1)),
        ("many-dimensions", clouds(20)),
    ];
    for (name, record) in records {
        let text = page(&record);
        println!("{name}: {} kB", text.len() / 1000);
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), text)?;
        print!("{}", flowc::term::summary(&record, Some(std::path::Path::new("runs/x/report.html")), false));
    }
    Ok(())
}
