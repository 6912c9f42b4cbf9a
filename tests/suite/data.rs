//! Laws of data: what a file says is what a program reads; splits, scales and labels; every fault at its place.

use flowc::data::{self, Fault, Options, Pick, Place as At, Split, Standardize, Table};
use flowc::diag::{Code, Diagnostic};
use std::io::Write;
use std::path::Path;

use crate::check::check_text;

fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path
}

fn fault(text: &str, options: &Options) -> Fault {
    let dir = tempfile::tempdir().expect("a folder");
    data::load(&write(dir.path(), "a.csv", text.as_bytes()), options).expect_err("it is faulty")
}

/// All rows of the first column, as programs get them.
pub fn values(t: &Table) -> Vec<f64> {
    let width = t.columns[0].width();
    let mut out = vec![0.0; t.rows * width];
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        t.columns[0].read(row, out).expect("a row that is there");
    }
    out
}

pub fn named(names: &[&str]) -> Option<Vec<Pick>> {
    Some(names.iter().map(|n| Pick::Name((*n).to_owned())).collect())
}

/// One table of every format, read as the same numbers.
#[test]
fn formats_agree() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows: Vec<[f64; 3]> = (0..40).map(|k| [f64::from(k % 7), f64::from(k) - 20.0, f64::from(k % 3)]).collect();
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    let lines = |s: &str| -> String { rows.iter().map(|r| format!("{}{s}{}{s}{}\n", r[0], r[1], r[2])).collect() };
    let csv = write(dir.path(), "a.csv", format!("a,b,y\n{}", lines(",")).as_bytes());
    let tsv = write(dir.path(), "a.tsv", format!("a\tb\ty\n{}", lines("\t")).as_bytes());
    let bare = write(dir.path(), "b.csv", lines(";").as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines(",").as_bytes()).expect("it is packed");
    let gz = write(dir.path(), "a.csv.gz", &packed.finish().expect("it is packed"));
    let array = ndarray::Array2::from_shape_vec((40, 3), flat.clone()).expect("whole rows");
    let npy = dir.path().join("a.npy");
    ndarray_npy::write_npy(&npy, &array.mapv(|x| x as f32)).expect("it is written");
    let npz = dir.path().join("a.npz");
    let mut archive = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(&npz).expect("a file"));
    archive.add_array("x", &array.slice(ndarray::s![.., 0..2]).mapv(|x| x as i16)).expect("it is added");
    archive.add_array("y", &array.column(2).mapv(|x| x as u8)).expect("it is added");
    archive.finish().expect("it is written");
    let mut idx = vec![0, 0, 0x0d, 2, 0, 0, 0, 40, 0, 0, 0, 2];
    idx.extend(rows.iter().flat_map(|r| r[..2].to_vec()).flat_map(|x| (x as f32).to_be_bytes()));
    let idx = write(dir.path(), "a.idx", &idx);
    let mut of = vec![0, 0, 0x08, 1, 0, 0, 0, 40];
    of.extend(rows.iter().map(|r| r[2] as u8));
    write(dir.path(), "labels.idx", &of);

    let by = |features: Option<Vec<Pick>>, label: Pick| Options { features, label: Some(label), ..Options::default() };
    let name = |s: &str| Pick::Name(s.to_owned());
    let numbered = Some(vec![Pick::Index(0), Pick::Index(1)]);
    let tables = [
        (&csv, by(named(&["a", "b"]), name("y"))),
        (&csv, by(None, name("y"))),
        (&tsv, by(numbered.clone(), Pick::Index(2))),
        (&bare, Options { delimiter: Some(b';'), ..by(numbered.clone(), Pick::Index(2)) }),
        (&gz, by(numbered.clone(), Pick::Index(2))),
        (&npy, by(numbered, Pick::Index(2))),
        (&npz, by(named(&["x"]), name("y"))),
        (&npz, by(None, name("y"))),
        (&idx, by(None, name("labels.idx"))),
    ]
    .map(|(path, options)| data::load(path, &options).unwrap_or_else(|f| panic!("{}: {f:?}", path.display())));
    for t in &tables {
        let all = |t: &Table| (t.rows, values(t), t.labels.clone(), t.splits.clone(), t.greatest);
        assert_eq!(all(t), all(&tables[0]));
        assert_eq!(t.rows, 40);
        assert_eq!(values(t)[2..4], [1.0, -19.0]);
        assert_eq!(t.labels.as_ref().expect("labelled").of[..4], [0, 1, 2, 0]);
    }
}

/// What does not fit into memory is read from the disk, and is the same table: in place, unpacked, and from text.
#[test]
fn a_table_on_the_disk_is_that_in_memory() {
    let dir = tempfile::tempdir().expect("a folder");
    let n = 700u32;
    let row = |k: u32| [f64::from(k % 13), f64::from(k * k % 101) - 50.0, f64::from(k % 4), f64::from(k) / 8.0];
    let flat: Vec<f64> = (0..n).flat_map(row).collect();
    let array = ndarray::Array2::from_shape_vec((n as usize, 4), flat).expect("whole rows");
    let path = |name: &str| dir.path().join(name);
    ndarray_npy::write_npy(path("a.npy"), &array.mapv(|x| x as f32)).expect("it is written");
    ndarray_npy::write_npy(path("t.npy"), &array.t().as_standard_layout().t()).expect("it is written");
    let text: String = (0..n).map(row).map(|r| format!("{},{},{},{}\r\n", r[0], r[1], r[2], r[3])).collect();
    write(dir.path(), "a.csv", format!("\u{feff}{text}").as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(path("a.npy")).expect("the array")).expect("it is packed");
    write(dir.path(), "p.npy.gz", &packed.finish().expect("it is packed"));
    let mut archive = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(path("a.npz")).expect("a file"));
    archive.add_array("x", &array.slice(ndarray::s![.., 0..2])).expect("it is added");
    archive.add_array("z", &array.column(3)).expect("it is added");
    archive.add_array("y", &array.column(2).mapv(|x| x as i64)).expect("it is added");
    archive.finish().expect("it is written");
    for (file, features, label) in [
        ("a.npy", Some(vec![Pick::Index(3), Pick::Index(1)]), Pick::Index(2)),
        ("a.npy", None, Pick::Index(2)),
        ("t.npy", None, Pick::Index(2)),
        ("a.csv", None, Pick::Index(2)),
        ("p.npy.gz", None, Pick::Index(2)),
        ("a.npz", named(&["x", "z"]), Pick::Name("y".into())),
    ] {
        for standardize in [None, Some(Standardize::PerFeature), Some(Standardize::Global)] {
            let (features, label) = (features.clone(), Some(label.clone()));
            let options = Options { features, label, standardize, split: Some([0.6, 0.0, 0.4]), ..Options::default() };
            let [near, far] =
                [usize::MAX, 100].map(|memory| data::load_within(&path(file), &options, memory).expect("it is sound"));
            assert!(near.columns[0].cells.in_memory() && !far.columns[0].cells.in_memory(), "{file}");
            assert_eq!(values(&near), values(&far), "{file} {standardize:?}");
            assert_eq!((&near.labels, &near.splits, near.rows), (&far.labels, &far.splits, n as usize), "{file}");
            assert_eq!(near.columns[0].scale, far.columns[0].scale, "{file}");
            assert_eq!(near.fingerprint, far.fingerprint);
            if features_are_all(&options) && file != "a.npz" {
                let first: Vec<f64> = values(&near)[3 * 5..3 * 6].to_vec();
                let r = row(5);
                assert!(standardize.is_some() || first == [r[0], r[1], r[3]], "{file}: {first:?}");
            }
        }
    }
}

fn features_are_all(o: &Options) -> bool {
    o.features.is_none()
}

/// A file that is cut after it was looked at is an error, not the end of the process.
#[test]
fn a_file_that_is_cut_meanwhile_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.npy");
    ndarray_npy::write_npy(&path, &ndarray::Array2::<f64>::zeros((1000, 4))).expect("it is written");
    let t = data::load_within(&path, &Options::default(), 0).expect("it is sound");
    std::fs::File::options().write(true).open(&path).and_then(|f| f.set_len(4000)).expect("it is cut");
    let mut row = [0.0; 4];
    assert!(t.columns[0].read(3, &mut row).is_ok());
    let e = t.columns[0].read(900, &mut row).expect_err("it has gone");
    assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof);
}

/// Headers that lie, and bytes that are anything.
#[test]
fn damaged_files_are_faults_and_never_panics() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.npy");
    ndarray_npy::write_npy(&path, &ndarray::Array2::from_shape_fn((20, 3), |(i, j)| (i + j) as f32)).expect("written");
    let npy = std::fs::read(&path).expect("the array");
    let npz = dir.path().join("a.npz");
    let mut archive = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(&npz).expect("a file"));
    archive.add_array("x", &ndarray::Array2::<f32>::ones((20, 3))).expect("it is added");
    archive.finish().expect("it is written");
    let npz = std::fs::read(&npz).expect("the archive");
    let mut idx = vec![0, 0, 0x0d, 2, 0, 0, 0, 20, 0, 0, 0, 3];
    idx.extend([0x3f, 0x80, 0, 0].repeat(60));
    let csv = b"a,b\n1,2\n\"3\",4\n".repeat(9);
    let mut rng = crate::programs::Rng(7);
    for (name, bytes) in [("a.npy", npy), ("a.npz", npz), ("a.idx", idx), ("a.csv", csv)] {
        assert!(data::load(&write(dir.path(), name, &bytes), &Options::default()).is_ok() || name == "a.csv");
        for k in 0..300 {
            let mut bad = bytes.clone();
            for _ in 0..=rng.below(4) {
                let at = rng.below(bad.len().min(if k % 2 == 0 { 140 } else { usize::MAX }));
                bad[at] ^= 1 << rng.below(8);
            }
            bad.truncate(if k % 3 == 0 { rng.below(bad.len()) } else { bad.len() });
            for memory in [0, usize::MAX] {
                if let Ok(t) = data::load_within(&write(dir.path(), name, &bad), &Options::default(), memory) {
                    assert!(t.rows > 0 && values(&t).iter().all(|x| x.is_finite()));
                }
            }
        }
    }
}

#[test]
fn splits_are_disjoint_whole_and_keyed_by_their_seed() {
    let dir = tempfile::tempdir().expect("a folder");
    let text: String = (0..101).map(|k| format!("{k}\n")).collect();
    let path = write(dir.path(), "a.csv", text.as_bytes());
    let load = |seed| {
        let options = Options { split: Some([0.7, 0.1, 0.2]), seed, ..Options::default() };
        data::load(&path, &options).expect("it is sound")
    };
    let t = load(3);
    assert_eq!(Split::ALL.map(|s| t.split(s).len()), [71, 10, 20]);
    let mut all: Vec<u32> = t.splits.concat();
    all.sort_unstable();
    assert_eq!(all, (0..101).collect::<Vec<u32>>());
    assert_eq!(t.splits, load(3).splits);
    assert_ne!(t.splits, load(4).splits);
}

/// Mean 0 and deviation 1 on the rows that train, and back.
#[test]
fn standardisation_sees_training_rows_alone_and_can_be_undone() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows: Vec<[f64; 3]> = (0..200).map(|k| [f64::from(k * k % 97), 5.0 + f64::from(k % 11) / 8.0, 4.0]).collect();
    let text: String = rows.iter().map(|r| format!("{},{},{}\n", r[0], r[1], r[2])).collect();
    let path = write(dir.path(), "a.csv", text.as_bytes());
    for how in [Standardize::PerFeature, Standardize::Global] {
        let options = Options { standardize: Some(how), split: Some([0.5, 0.0, 0.5]), ..Options::default() };
        let t = data::load(&path, &options).expect("it is sound");
        let scale = t.columns[0].scale.as_ref().expect("standardised");
        let values = &values(&t);
        for (k, row) in rows.iter().enumerate() {
            for c in 0..3 {
                let back = values[3 * k + c] * scale.deviation[c] + scale.mean[c];
                assert!((back - row[c]).abs() < 1e-9, "{back} {}", row[c]);
            }
        }
        let train = t.split(Split::Train);
        let of = |c: usize| train.iter().map(move |r| values[3 * *r as usize + c]);
        let moments = |all: Vec<f64>| {
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64)
        };
        let sets: Vec<Vec<f64>> = match how {
            // The third feature is constant: shifted, not scaled.
            Standardize::PerFeature => vec![of(0).collect(), of(1).collect()],
            Standardize::Global => vec![(0..3).flat_map(of).collect()],
        };
        for set in sets {
            let (mean, variance) = moments(set);
            assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12, "{mean} {variance}");
        }
        assert!(how == Standardize::Global || of(2).all(|x| x == 0.0));
    }
}

#[test]
fn labels_are_words_or_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    let classes = |column: &[&str]| {
        let text: String = column.iter().map(|l| format!("1.5,{l}\n")).collect();
        let path = write(dir.path(), "l.csv", text.as_bytes());
        let options = Options { label: Some(Pick::Index(1)), ..Options::default() };
        data::load(&path, &options).expect("it is sound").labels.expect("labelled")
    };
    let words = classes(&["no", "yes", "no", "no"]);
    assert_eq!((words.names, words.of), (vec!["no".to_owned(), "yes".into()], vec![0, 1, 0, 0]));
    // Numbers from 0 on are themselves, also where one of them is missing.
    let numbers = classes(&["2", "0", "2", "0", "2", "0", "0"]);
    assert_eq!((numbers.names.len(), numbers.of[0]), (3, 2));
    let signs = classes(&["1", "-1", "1.0", "-1"]);
    assert_eq!(signs.of, [1, 0, 1, 0]);
}

#[test]
fn faults_have_a_row_and_a_column() {
    let y = Options { label: Some(Pick::Name("y".into())), ..Options::default() };
    let place = |f: Fault| match f {
        Fault::Text { at, text, .. } | Fault::NotFinite { at, text } | Fault::Label { at, text } => {
            (at.to_string(), text)
        }
        other => panic!("{other:?}"),
    };
    let o = Options::default();
    assert_eq!(place(fault("a,b\n1,2\n3,word\n", &o)), ("line 3, column `b`".into(), "word".into()));
    assert_eq!(place(fault("a,b\n1,2\n\n3,\n", &o)), ("line 4, column `b`".into(), String::new()));
    assert_eq!(place(fault("1,2\n3,NaN\n", &o)), ("line 2, column 1 (counted from 0)".into(), "NaN".into()));
    assert_eq!(place(fault("1,2\n3,1e999\n", &o)), ("line 2, column 1 (counted from 0)".into(), "1e999".into()));
    assert_eq!(place(fault("a,y\n1,0.5\n", &y)), ("line 2, column `y`".into(), "0.5".into()));
    assert_eq!(fault("a,b\n1,2\n3\n", &o), Fault::Ragged { line: 3, found: 1, expected: 2 });
    assert_eq!(fault("a,b\n", &o), Fault::Empty);
    assert_eq!(fault("", &o), Fault::Empty);
    // A name that two columns have is no name; their numbers are.
    let twice = |name: &str, first, second| Fault::Twice { name: name.into(), first, second };
    assert_eq!(fault("a,b,a\n1,2,3\n", &o), twice("a", 0, 2));
    let of = |features| Options { features: Some(features), ..Options::default() };
    assert_eq!(fault("a,b,a\n1,2,3\n", &of(vec![Pick::Name("a".into())])), twice("a", 0, 2));
    assert!(matches!(fault("a,b,a\n1,2,x\n", &of(vec![Pick::Index(2), Pick::Name("b".into())])), Fault::Text { .. }));
    assert!(matches!(fault(",b,\n1,2,x\n", &o), Fault::Text { .. }), "columns without names are told by place");
    // Lines are those of the file, whatever ends them and whatever stands between.
    assert_eq!(place(fault("a,b\r\n1,2\r\n\r\n3,x\r\n", &o)), ("line 4, column `b`".into(), "x".into()));
    assert_eq!(place(fault("a,b\n\"1\",2\n\"3\",\"4\n5\"\n", &o)), ("line 3, column `b`".into(), "4\n5".into()));
    assert_eq!(place(fault("\u{feff}a,b\n1,-inf\n", &o)), ("line 2, column `b`".into(), "-inf".into()));
    assert_eq!(
        fault("a\n1\n9007199254740993\n", &o),
        Fault::Huge { at: At { row: "line 3".into(), column: "`a`".into() }, text: "9007199254740993".into() }
    );
    assert_eq!(place(fault("a,y\n1,9007199254740993\n", &y)).0, "line 2, column `y`");
    let missing = fault("a,b\n1,2\n", &Options { features: named(&["c"]), ..o.clone() });
    assert_eq!(missing, Fault::NoColumn { asked: Pick::Name("c".into()), known: vec!["a".into(), "b".into()] });
    let many: String = (0..50).map(|k| format!("{k},id{k}\n")).collect();
    let id = Options { label: Some(Pick::Index(1)), ..Options::default() };
    assert_eq!(fault(&many, &id), Fault::Classes { count: 50, rows: 50 });
    let split = Options { split: Some([0.9, 0.05, 0.05]), ..o };
    assert!(matches!(fault("1\n2\n3\n", &split), Fault::Split { rows: 3, .. }));
    let dir = tempfile::tempdir().expect("a folder");
    let load = |name: &str, bytes: &[u8]| data::load(&write(dir.path(), name, bytes), &Options::default());
    let parquet = load("a.parquet", b"PAR1");
    let refused = if cfg!(feature = "parquet") {
        matches!(parquet, Err(Fault::Format { .. }))
    } else {
        parquet.as_ref().err() == Some(&Fault::Feature { feature: "parquet" })
    };
    assert!(refused, "{parquet:?}");
    assert!(matches!(load("a.npz", b"PK nothing"), Err(Fault::Format { .. })));
    assert!(matches!(load("a.npy", b"\x93NUMPY"), Err(Fault::Format { .. })));
    assert!(matches!(load("a.idx", &[0, 0, 8, 1, 0, 0, 0, 9, 1]), Err(Fault::Format { .. })));
    assert!(matches!(load("b.idx", &[0, 0, 7, 1, 0, 0, 0, 1, 1]), Err(Fault::Kind { .. })));
    write(dir.path(), "digits.npz", b"");
    let gone = data::load(&dir.path().join("digits.csv"), &Options::default());
    assert!(matches!(gone, Err(Fault::Missing { near: Some(n), .. }) if n == "digits.npz"));
}

/// The messages of files that are not shipped: a code, a place in the spec, the file's name, a cure.
#[test]
fn messages_of_broken_files_stand_in_the_spec() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "holes.csv", b"age,height\n31,1.80\n44,\n");
    write(dir.path(), "ragged.csv", b"a,b\n1,2\n3\n");
    write(dir.path(), "names.csv", b"a,b\n");
    write(dir.path(), "x.parquet", b"PAR1");
    let says = |file: &str| -> Diagnostic {
        let name = dir.path().join("spec.flow").display().to_string();
        let text = format!("target = file(\"{file}\")\nsource = normal(dim: 2)\ngenerate {{ sampler: target }}\n");
        let (found, sources) = check_text(&name, &text);
        let d = found.into_iter().next().expect("a diagnostic");
        let span = d.primary.as_ref().expect("a place").span;
        assert!(sources.text(span).contains(file), "{:?}", sources.text(span));
        assert!(d.help.is_some() && d.message.contains(file), "{d:?}");
        d
    };
    for (file, code) in [
        ("holes.csv", Code::MissingValue),
        ("ragged.csv", Code::Ragged),
        ("names.csv", Code::DataEmpty),
        ("x.parquet", Code::DataFormat),
        ("gone.csv", Code::FileNotFound),
    ] {
        assert_eq!(says(file).code, code, "{file}");
    }
    assert!(says("holes.csv").message.contains("line 3, column `height`"));
}

/// What was written is what is read; a column of lists, a missing value and a word are faults at their places.
#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read() {
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.parquet");
    let schema = "message m { required double a; required int32 b; required binary kind (UTF8); optional double gap; }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).expect("a schema"));
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer =
        parquet::file::writer::SerializedFileWriter::new(file, schema, properties.into()).expect("a writer");
    let n = 50;
    for group in 0..2 {
        let mut rows = writer.next_row_group().expect("a group");
        let at = |k: i32| group * n + k;
        let mut c = rows.next_column().expect("it can be added").expect("a column");
        let a: Vec<f64> = (0..n).map(|k| f64::from(at(k)) / 4.0).collect();
        c.typed::<DoubleType>().write_batch(&a, None, None).expect("written");
        c.close().expect("closed");
        let mut c = rows.next_column().expect("it can be added").expect("a column");
        let b: Vec<i32> = (0..n).map(|k| -at(k)).collect();
        c.typed::<Int32Type>().write_batch(&b, None, None).expect("written");
        c.close().expect("closed");
        let mut c = rows.next_column().expect("it can be added").expect("a column");
        let kinds: Vec<ByteArray> = (0..n).map(|k| ["no", "yes"][at(k) as usize % 2].into()).collect();
        c.typed::<ByteArrayType>().write_batch(&kinds, None, None).expect("written");
        c.close().expect("closed");
        let mut c = rows.next_column().expect("it can be added").expect("a column");
        let there: Vec<i16> = (0..n).map(|k| i16::from(at(k) != 60)).collect();
        let gap: Vec<f64> = there.iter().filter(|d| **d == 1).map(|_| 1.0).collect();
        c.typed::<DoubleType>().write_batch(&gap, Some(&there), None).expect("written");
        c.close().expect("closed");
        rows.close().expect("closed");
    }
    writer.close().expect("closed");
    let load = |features: &[&str], label: &str, memory: usize| {
        let label = Some(Pick::Name(label.into()));
        data::load_within(&path, &Options { features: named(features), label, ..Options::default() }, memory)
    };
    for memory in [0, usize::MAX] {
        // In the order in which they are asked for.
        let t = load(&["b", "a"], "kind", memory).expect("it is sound");
        assert_eq!((t.rows, &values(&t)[2 * 77..2 * 78]), (100, &[-77.0, 19.25][..]));
        let labels = t.labels.expect("labelled");
        assert_eq!((labels.names, &labels.of[..3]), (vec!["no".to_owned(), "yes".into()], &[0, 1, 0][..]));
    }
    let at = |row: &str, column: &str| At { row: row.into(), column: column.into() };
    assert_eq!(
        load(&["gap"], "kind", 0).expect_err("it has a gap"),
        Fault::NotFinite { at: at("row 60", "`gap`"), text: String::new() }
    );
    assert_eq!(
        load(&["kind"], "kind", 0).expect_err("words"),
        Fault::Text { at: at("row 0", "`kind`"), text: "no".into(), alone: false }
    );
    assert!(matches!(load(&["c"], "kind", 0), Err(Fault::NoColumn { known, .. }) if known.len() == 4));
}
