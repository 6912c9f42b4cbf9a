//! How a run was started: what `run.json` keeps, so that it can be taken up again.
//!
//! Command line and compiled spec <-> `run.json`. Invariant: what a folder holds is enough to compile the same experiment, files
//! that it uses included; data files are read again from where they lie. Deliberately absent: results.

use super::Fault;
use crate::diag::{Code, Diagnostic};
use crate::driver::{self, Asked, Compiled};
use crate::elaborate::Set;
use crate::elaborate::sets::Rows;
use crate::folder::{self, RunFolder};
use crate::plan::RunPlan;
use crate::resolve::imports;
use crate::resolve::settings::Setting;
use crate::run::checkpoint::spec_hash;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Changes when the layout of a run folder changes.
const LAYOUT: u32 = 2;
/// The file.
pub const FILE: &str = "run.json";

/// How a run was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Version of flowc.
    pub flowc: String,
    /// The spec's path as given: relative paths in the spec count from its folder.
    pub spec: String,
    /// Where the run was started: what the spec's path counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Hash of the spec's text and its settings.
    pub hash: String,
    /// `--set`
    pub set: Vec<String>,
    /// `--only`
    pub only: Vec<String>,
    /// `--interpret`
    pub interpret: bool,
    /// Files that the spec uses: path and text.
    pub files: Vec<(String, String)>,
    /// Files of data: what the spec calls them, and what tells whether they are still the same.
    #[serde(default)]
    pub data: Vec<(String, String)>,
}

impl Started {
    /// What a command line starts.
    #[must_use]
    pub fn new(spec: &Path, text: &str, set: &[String], only: &[String], interpret: bool, compiled: &Compiled) -> Self {
        let own = |f: &crate::source::SourceFile| !f.is_std && !f.name.starts_with("--set ");
        Started {
            layout: LAYOUT,
            flowc: env!("CARGO_PKG_VERSION").to_owned(),
            spec: spec.display().to_string(),
            from: std::env::current_dir().ok(),
            hash: hash(text, set),
            set: set.to_vec(),
            only: only.to_vec(),
            interpret,
            files: compiled
                .sources
                .iter()
                .skip(1)
                .filter(|(_, f)| own(f))
                .map(|(_, f)| (f.name.clone(), f.text.to_string()))
                .collect(),
            data: compiled.plan.as_ref().map(data).unwrap_or_default(),
        }
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// `E0805` if there is none, or another layout.
    pub fn read(path: &Path) -> Fault<Started> {
        let other = |why: String| {
            let d = Diagnostic::bare(
                Code::OtherVersion,
                format!("the run in `{}` cannot be taken up: {why}", path.display()),
            );
            Box::new(d.help("run its spec.flow again with this flowc; `flowc report` still shows what it has"))
        };
        let text = std::fs::read_to_string(path.join(FILE)).map_err(|_| other(format!("it has no `{FILE}`")))?;
        let started: Started = serde_json::from_str(&text).map_err(|e| other(format!("`{FILE}` is damaged: {e}")))?;
        if started.layout != LAYOUT {
            return Err(other(format!("its layout is {}, this flowc writes {LAYOUT}", started.layout)));
        }
        Ok(started)
    }

    /// That this flowc gives the bits that the run began with.
    ///
    /// # Errors
    /// `E0805`.
    pub fn same_version(&self, path: &Path) -> Fault<()> {
        let own = env!("CARGO_PKG_VERSION");
        if self.flowc == own {
            return Ok(());
        }
        let message = format!("the run in `{}` was made by flowc {}, this is {own}", path.display(), self.flowc);
        Err(Box::new(
            Diagnostic::bare(Code::OtherVersion, message)
                .help("bits are promised within a version: resume with that one, or run spec.flow of the folder anew"),
        ))
    }

    /// Where the run was started, if that is another folder than this one; nothing if it is not there any more: a folder of runs
    /// may have moved with its data.
    fn elsewhere(&self) -> PathBuf {
        let here = std::env::current_dir().ok();
        self.from.clone().filter(|f| Some(f) != here.as_ref() && f.is_dir()).unwrap_or_default()
    }

    /// The settings of `--set`.
    ///
    /// # Errors
    /// `E0610` for what is not `name=value`.
    pub fn settings(set: &[String]) -> Fault<Vec<Setting>> {
        let parse = |s: &String| {
            Setting::parse(s).ok_or_else(|| {
                let d = Diagnostic::bare(Code::BadValue, format!("`--set {s}` is not a name with a value"));
                Box::new(d.help("e.g. `--set train.steps=100`, `--set seeds=0..5`, `--set width=64`"))
            })
        };
        set.iter().map(parse).collect()
    }

    /// Compiles the experiment of a run folder, arms of `--only` alone.
    ///
    /// # Errors
    /// `E0804` if spec.flow is not what was run; `E0801` if it has gone.
    pub fn compile(&self, path: &Path, more: &str) -> Fault<(Compiled, String, Option<RunPlan>)> {
        let spec = path.join("spec.flow");
        let text = std::fs::read_to_string(&spec).map_err(|e| {
            let why = folder::reason(&e);
            Box::new(Diagnostic::bare(Code::FileNotFound, format!("`{}` cannot be read: {why}", spec.display())))
        })?;
        if hash(&text, &self.set) != self.hash {
            let message = format!("`{}` was changed since the run began", spec.display());
            let d = Diagnostic::bare(Code::BadCheckpoint, message);
            return Err(Box::new(d.help("put the old text back, or run the new one from its start: `flowc run SPEC`")));
        }
        let set = Self::settings(&self.set)?;
        let from = self.elsewhere();
        let place = |name: &str| imports::tidy(&from.join(name));
        let load = |wanted: &Path| {
            let found = self.files.iter().find(|(name, _)| place(name) == wanted);
            found.map(|(_, text)| text.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        let name =
            if from.as_os_str().is_empty() { self.spec.clone() } else { place(&self.spec).display().to_string() };
        let compiled = driver::compile_with(&name, &format!("{text}{more}"), &Asked { load: &load, set: &set });
        let plan = match &compiled.plan {
            Some(p) => Some(p.clone().only(&self.only)?),
            None => None,
        };
        let now = plan.as_ref().map(data).unwrap_or_default();
        if let Some((name, _)) = self.data.iter().find(|d| now.iter().any(|n| n.0 == d.0 && n.1 != d.1)) {
            let d = Diagnostic::bare(Code::BadCheckpoint, format!("the data {name} were changed since the run began"));
            return Err(Box::new(d.help("put the old file back, or run the spec from its start: `flowc run SPEC`")));
        }
        Ok((compiled, text, plan))
    }
}

/// What a run was told beside its spec, as far as its folder says: `train.steps=100`, `only straight`.
#[must_use]
pub fn told(path: &Path) -> Vec<String> {
    /// What every layout of `run.json` has.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Told {
        set: Vec<String>,
        only: Vec<String>,
    }
    let text = std::fs::read_to_string(path.join(FILE)).unwrap_or_default();
    let told: Told = serde_json::from_str(&text).unwrap_or_default();
    told.set.into_iter().chain(told.only.iter().map(|l| format!("only {l}"))).collect()
}

/// The files of data behind a plan.
fn data(plan: &RunPlan) -> Vec<(String, String)> {
    let file = |s: &std::sync::Arc<Set>| match &s.rows {
        Rows::Table(t) => Some((s.name.clone(), t.fingerprint.clone())),
        Rows::Drawn(_) | Rows::Windows { .. } => None,
    };
    plan.sets.iter().filter_map(file).collect()
}

/// What a checkpoint of a spec with its settings bears: see `experiment::Keeping`.
fn hash(text: &str, set: &[String]) -> String {
    spec_hash(&format!("{text}\n{}", set.join("\n")))
}

/// The run that a word means: a folder, the folder of a spec, an id under `runs/`; the newest of all if there is no word.
///
/// # Errors
/// `E0801`.
pub fn find(word: Option<&Path>) -> Fault<PathBuf> {
    let Some(word) = word.filter(|w| !w.as_os_str().is_empty()) else {
        return newest(Path::new("runs")).ok_or_else(|| {
            let d = Diagnostic::bare(Code::FileNotFound, "there is no run under `runs/`");
            Box::new(d.help("name a run folder, or start one with `flowc run SPEC`"))
        });
    };
    if word.exists() {
        return folder::resolve(word).map_err(Box::new);
    }
    // An id, or the name of a spec.
    let under = Path::new("runs").join(word);
    if under.exists() {
        return folder::resolve(&under).map_err(Box::new);
    }
    let of_specs = std::fs::read_dir("runs").into_iter().flatten().flatten();
    let found = of_specs.map(|e| e.path().join(word)).find(|p| p.join("spec.flow").is_file());
    found.map_or_else(|| folder::resolve(word).map_err(Box::new), Ok)
}

/// The newest run under a folder: ids begin with their time.
fn newest(base: &Path) -> Option<PathBuf> {
    let of_specs = std::fs::read_dir(base).ok()?.flatten().map(|e| e.path());
    let latest = of_specs.filter_map(|p| {
        let id = std::fs::read_to_string(p.join("latest")).ok()?.trim().to_owned();
        let run = p.join(&id);
        run.join("spec.flow").is_file().then_some((id, run))
    });
    latest.max_by(|a, b| a.0.cmp(&b.0)).map(|(_, run)| run)
}

/// Keeps how a run was started.
///
/// # Errors
/// `E0802`.
pub fn keep(folder: &RunFolder, started: &Started) -> Fault<()> {
    folder.write_json(FILE, started).map_err(Box::new)
}
