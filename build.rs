//! Lists the standard library for embedding: every `.flow` file under `stdlib/`, sorted by path, becomes an entry of the array
//! that `src/stdlib.rs` includes. A list kept by hand would make each new file of the library a change of Rust code as well.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Paths of the library's files below `folder`, relative to `root`, with `/` between their parts.
fn walk(root: &Path, folder: &Path, into: &mut Vec<String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display())).path();
        if path.is_dir() {
            walk(root, &path, into);
        } else if path.extension().is_some_and(|e| e == "flow") {
            let parts = path.strip_prefix(root).expect("a path below its root").components();
            let parts: Vec<_> = parts.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
            into.push(parts.join("/"));
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=stdlib");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("stdlib");
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    files.sort();
    let mut text = String::from("&[\n");
    for f in &files {
        writeln!(text, "    ({f:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/stdlib/\", {f:?}))),")
            .expect("a string takes all");
    }
    text.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("stdlib.rs");
    fs::write(&out, text).unwrap_or_else(|e| panic!("{}: {e}", out.display()));
}
