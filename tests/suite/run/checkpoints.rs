//! Files that a run leaves behind.

use flowc::diag::Code;
use flowc::ir::{Init, ParamDecl};
use flowc::run::Real;
use flowc::run::checkpoint::{Checkpoint, load, replace, save, spec_hash, write_npy};
use flowc::run::params::ParamTable;
use flowc::source::{FileId, Span};
use std::fs;

fn table(shapes: &[(&str, &[usize])]) -> ParamTable {
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let declare = |&(name, shape): &(&str, &[usize])| ParamDecl {
        name: name.to_owned(),
        shape: shape.to_vec(),
        init: Init::Constant(0.0),
        span,
    };
    ParamTable::new(&shapes.iter().map(declare).collect::<Vec<_>>())
}

fn example<T: Real>(table: &ParamTable) -> Checkpoint<T> {
    let vector = |salt: f64| (0..table.len()).map(|i| T::from_f64((i as f64 + salt).sin())).collect::<Vec<_>>();
    Checkpoint {
        spec: spec_hash("field v(x: vec[2], t) = x"),
        seed: u64::MAX - 3,
        step: 12_345,
        theta: vector(0.5),
        ema: Some(vector(1.5)),
        memory: vec![("mean".into(), vector(2.5)), ("mean_square".into(), vector(3.5))],
        notes: "seconds 12.5\n".into(),
    }
}

#[test]
fn what_was_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(&[("v.0.W", &[3, 2]), ("v.0.b", &[3]), ("end", &[])]);
    let path = dir.path().join("a.safetensors");
    let single = example::<f32>(&table);
    save(&path, &table, &single).unwrap();
    assert_eq!(load::<f32>(&path, &table).unwrap(), single);
    let double = Checkpoint { ema: None, memory: vec![], ..example::<f64>(&table) };
    save(&path, &table, &double).unwrap();
    assert_eq!(load::<f64>(&path, &table).unwrap(), double);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_foreign_or_damaged_file_is_refused_with_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let own = table(&[("v.W", &[4, 2]), ("v.b", &[4])]);
    let refused = |other: &ParamTable, words: &str| {
        let e = load::<f32>(&path, other).unwrap_err();
        assert_eq!(e.code, Code::BadCheckpoint);
        assert!(e.message.contains(words), "{}", e.message);
    };
    assert_eq!(load::<f32>(&path, &own).unwrap_err().code, Code::FileNotFound);

    save(&path, &own, &example::<f32>(&own)).unwrap();
    refused(&table(&[("v.W", &[4, 2]), ("v.c", &[4])]), "no tensor `v.c`");
    refused(&table(&[("v.W", &[2, 4]), ("v.b", &[4])]), "has shape [4, 2]");
    refused(&table(&[("v.W", &[4, 2])]), "tensors");
    let e = load::<f64>(&path, &own).unwrap_err();
    assert!(e.message.contains("F32"), "{}", e.message);

    let bytes = fs::read(&path).unwrap();
    for cut in [0, 4, 20, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        refused(&own, "damaged");
    }
}

/// One bit anywhere: in the numbers, the names, the step, the curves.
#[test]
fn a_flipped_bit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let own = table(&[("v.W", &[3, 2]), ("v.b", &[3])]);
    save(&path, &own, &example::<f32>(&own)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        match load::<f32>(&path, &own) {
            Err(e) => assert!(e.code == Code::BadCheckpoint && e.help.is_some(), "byte {at}: {}", e.message),
            // Only a blank between the header and the numbers may be another.
            Ok(state) => assert_eq!((state, bytes[at]), (example::<f32>(&own), b' '), "byte {at}"),
        }
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();
    let e = replace(&path, |w| {
        std::io::Write::write_all(w, b"half")?;
        Err(std::io::Error::other("the disk is full"))
    })
    .unwrap_err();
    assert_eq!(e.code, Code::CannotWrite);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_array_can_be_read_back_by_numpys_rules() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    write_npy(&path, &[2, 3], &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let back: ndarray::Array2<f32> = ndarray_npy::read_npy(&path).unwrap();
    assert_eq!(back, ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
}
