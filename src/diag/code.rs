//! The table of codes: number, slug, severity. A code is never reused.

use super::Severity;

macro_rules! codes {
    ($($name:ident $number:literal $slug:literal $severity:ident;)*) => {
        /// A stable code of a diagnostic, e.g. `E0301 shape-mismatch`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!($number, " ", $slug)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// `E0301`
            #[must_use]
            pub fn number(self) -> &'static str {
                match self { $(Code::$name => $number),* }
            }

            /// `shape-mismatch`
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Code::$name => $slug),* }
            }

            /// Error, warning or note.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity),* }
            }
        }
    };
}

// E01 syntax, E02 names, E03 types and shapes, E04 derivatives, E05 probability and flows, E06 experiment,
// E07 run time, E08 files and environment, W warnings in the same families.
codes! {
    UnexpectedToken "E0101" "unexpected-token" Error;
    LeadingOperator "E0102" "leading-operator" Error;
    SpacedCall "E0103" "spaced-call" Error;
    ChainedComparison "E0104" "chained-comparison" Error;
    UnclosedBracket "E0105" "unclosed-bracket" Error;
    ReservedWord "E0106" "reserved-word" Error;
    UnknownKeyword "E0107" "unknown-keyword" Error;
    BadNumber "E0108" "bad-number" Error;
    TooDeep "E0109" "nesting-too-deep" Error;
    UnknownName "E0201" "unknown-name" Error;
    DuplicateName "E0202" "duplicate-name" Error;
    ImportNotFound "E0203" "import-not-found" Error;
    ImportConflict "E0204" "import-conflict" Error;
    UnknownMember "E0205" "unknown-member" Error;
    ShapeMismatch "E0301" "shape-mismatch" Error;
    TypeMismatch "E0302" "type-mismatch" Error;
    WrongArguments "E0303" "wrong-arguments" Error;
    IndexOutOfRange "E0304" "index-out-of-range" Error;
    NotCompileTime "E0305" "not-known-at-compile-time" Error;
    MisplacedParam "E0306" "misplaced-param" Error;
    NotAFunction "E0307" "not-a-function" Error;
    EndlessRecursion "E0308" "endless-recursion" Error;
    BudgetExceeded "E0309" "compile-budget-exceeded" Error;
    UndefinedNumber "E0310" "undefined-number" Error;
    IndependentTarget "E0401" "independent-of-target" Error;
    NotDifferentiable "E0402" "not-differentiable" Error;
    BadDerivativeTarget "E0403" "bad-derivative-target" Error;
    DerivativeOfSteps "E0404" "derivative-of-steps" Error;
    PathMissesStart "E0501" "path-misses-source" Error;
    PathMissesEnd "E0502" "path-misses-target" Error;
    PathReversed "E0503" "path-reversed" Error;
    UnboundedVelocity "E0504" "unbounded-velocity" Error;
    TableauRowSum "E0505" "tableau-row-sum" Error;
    TableauOrder "E0506" "tableau-order" Error;
    TableauEmbedded "E0507" "tableau-embedded" Error;
    TableauImplicit "E0508" "tableau-implicit" Error;
    TableauShape "E0509" "tableau-shape" Error;
    NoDensity "E0510" "no-density" Error;
    NoSampler "E0511" "no-sampler" Error;
    ZeroDivergence "E0512" "zero-divergence" Error;
    TransportIgnoresLabels "E0520" "transport-ignores-labels" Error;
    SinkhornNotConverged "E0521" "sinkhorn-not-converged" Error;
    TimesOutOfOrder "E0550" "times-out-of-order" Error;
    NoiseNeedsSolver "E0551" "noise-needs-stochastic-solver" Error;
    SolverNeedsNoise "E0552" "stochastic-solver-without-noise" Error;
    NoiseNotLinear "E0553" "noise-not-linear" Error;
    TableauNoise "E0554" "tableau-noise" Error;
    NoGradientThroughNoise "E0555" "no-gradient-through-noise" Error;
    MissingBlock "E0601" "missing-block" Error;
    UnknownKey "E0602" "unknown-key" Error;
    UnknownMetric "E0603" "unknown-metric" Error;
    MeaninglessMetric "E0604" "meaningless-metric" Error;
    NothingToMinimize "E0605" "nothing-to-minimize" Error;
    NoParameterReached "E0606" "no-parameter-reached" Error;
    MissingSteps "E0607" "missing-step-count" Error;
    ContradictoryBudgets "E0608" "contradictory-budgets" Error;
    DuplicateBlock "E0609" "duplicate-block" Error;
    BadValue "E0610" "bad-value" Error;
    UnusedAxis "E0611" "unused-axis" Error;
    MisplacedInStage "E0614" "misplaced-in-stage" Error;
    StageNotEnded "E0615" "stage-not-ended" Error;
    BatchExceedsData "E0616" "batch-exceeds-data" Error;
    BudgetWithoutMeaning "E0617" "budget-without-meaning" Error;
    AdjointOfStiff "E0620" "adjoint-of-implicit-solve" Error;
    NoLabels "E0630" "no-labels" Error;
    JudgedByTraining "E0631" "judged-by-training-rows" Error;
    NonFiniteLoss "E0701" "non-finite-loss" Error;
    NonFiniteState "E0702" "non-finite-state" Error;
    StepTooSmall "E0703" "step-too-small" Error;
    TooManySteps "E0704" "too-many-steps" Error;
    NoConvergence "E0705" "stages-do-not-converge" Error;
    BadTimes "E0710" "sample-times-out-of-order" Error;
    FileNotFound "E0801" "file-not-found" Error;
    CannotWrite "E0802" "cannot-write" Error;
    ExpectFailed "E0803" "expect-failed" Error;
    BadCheckpoint "E0804" "bad-checkpoint" Error;
    OtherVersion "E0805" "other-version" Error;
    FolderInUse "E0806" "folder-in-use" Error;
    NoColumn "E0811" "no-such-column" Error;
    NotANumber "E0812" "not-a-number" Error;
    MissingValue "E0813" "missing-value" Error;
    Ragged "E0814" "ragged-rows" Error;
    DataEmpty "E0815" "no-rows" Error;
    DataFormat "E0816" "data-format" Error;
    BadLabel "E0817" "bad-label" Error;
    Internal "E9999" "internal" Error;
    UnusedName "W0201" "unused-name" Warning;
    UnusedParameter "W0202" "unused-parameter" Warning;
    LostParameter "W0401" "lost-parameter" Warning;
    TimeIgnored "W0501" "time-ignored" Warning;
    PathNearMiss "W0502" "path-near-miss" Note;
    WeaklyUnboundedVelocity "W0503" "weakly-unbounded-velocity" Note;
    CornerUnderDivergence "W0504" "corner-under-divergence" Warning;
    SuperlinearGrowth "W0505" "superlinear-growth" Warning;
    ContractionUnderAdjoint "W0506" "contraction-under-adjoint" Warning;
    BridgeEpsilon "W0520" "bridge-epsilon" Warning;
    SourceNotGaussian "W0521" "source-not-gaussian" Warning;
    ToleranceBelowPrecision "W0601" "tolerance-below-precision" Warning;
    Untrained "W0602" "untrained-parameters" Warning;
    CostlyTrace "W0603" "costly-trace" Warning;
    RateIsZero "W0604" "rate-is-zero" Warning;
    IdleOption "W0605" "idle-option" Warning;
    UntrainedTimes "W0606" "untrained-times" Warning;
    DeterministicMetric "W0650" "metric-without-noise" Note;
    NoTestRows "W0810" "no-test-rows" Warning;
}
