//! The pages of `flowc explain`.
//!
//! A code (`E0301`, `W0201`, in any case) or a slug (`shape-mismatch`) -> its page, in Markdown. Invariant: a page begins with
//! its code and slug, and has the headings of [`HEADINGS`]; its first `flow` block raises its code, its second does not (held
//! by the tests); pages of what only a run can show have `text` blocks instead. Deliberately absent: how a page is shown.

use super::Code;

/// The headings of a page, in order; the second reads "Why flowc warns" for a warning.
pub const HEADINGS: [&str; 5] = ["What happened", "Why flowc refuses it", "Example", "Fixed", "See also"];

macro_rules! pages {
    ($($code:ident $number:literal;)*) => {
        /// Every page with its code, in the order of the codes.
        const PAGES: &[(Code, &str)] = &[$((Code::$code, include_str!(concat!("explain/", $number, ".md")))),*];
    };
}

pages! {
    UnexpectedToken "E0101";
    LeadingOperator "E0102";
    SpacedCall "E0103";
    ChainedComparison "E0104";
    UnclosedBracket "E0105";
    ReservedWord "E0106";
    UnknownKeyword "E0107";
    BadNumber "E0108";
    TooDeep "E0109";
    UnknownName "E0201";
    DuplicateName "E0202";
    ImportNotFound "E0203";
    ImportConflict "E0204";
    UnknownMember "E0205";
    ShapeMismatch "E0301";
    TypeMismatch "E0302";
    WrongArguments "E0303";
    IndexOutOfRange "E0304";
    NotCompileTime "E0305";
    MisplacedParam "E0306";
    NotAFunction "E0307";
    EndlessRecursion "E0308";
    BudgetExceeded "E0309";
    UndefinedNumber "E0310";
    IndependentTarget "E0401";
    NotDifferentiable "E0402";
    BadDerivativeTarget "E0403";
    DerivativeOfSteps "E0404";
    PathMissesStart "E0501";
    PathMissesEnd "E0502";
    PathReversed "E0503";
    UnboundedVelocity "E0504";
    TableauRowSum "E0505";
    TableauOrder "E0506";
    TableauEmbedded "E0507";
    TableauImplicit "E0508";
    TableauShape "E0509";
    NoDensity "E0510";
    NoSampler "E0511";
    ZeroDivergence "E0512";
    TransportIgnoresLabels "E0520";
    SinkhornNotConverged "E0521";
    TimesOutOfOrder "E0550";
    NoiseNeedsSolver "E0551";
    SolverNeedsNoise "E0552";
    NoiseNotLinear "E0553";
    TableauNoise "E0554";
    NoGradientThroughNoise "E0555";
    MissingBlock "E0601";
    UnknownKey "E0602";
    UnknownMetric "E0603";
    MeaninglessMetric "E0604";
    NothingToMinimize "E0605";
    NoParameterReached "E0606";
    MissingSteps "E0607";
    ContradictoryBudgets "E0608";
    DuplicateBlock "E0609";
    BadValue "E0610";
    UnusedAxis "E0611";
    MisplacedInStage "E0614";
    StageNotEnded "E0615";
    BatchExceedsData "E0616";
    BudgetWithoutMeaning "E0617";
    AdjointOfStiff "E0620";
    NoLabels "E0630";
    JudgedByTraining "E0631";
    NonFiniteLoss "E0701";
    NonFiniteState "E0702";
    StepTooSmall "E0703";
    TooManySteps "E0704";
    NoConvergence "E0705";
    BadTimes "E0710";
    FileNotFound "E0801";
    CannotWrite "E0802";
    ExpectFailed "E0803";
    BadCheckpoint "E0804";
    OtherVersion "E0805";
    FolderInUse "E0806";
    NoColumn "E0811";
    NotANumber "E0812";
    MissingValue "E0813";
    Ragged "E0814";
    DataEmpty "E0815";
    DataFormat "E0816";
    BadLabel "E0817";
    Internal "E9999";
    UnusedName "W0201";
    UnusedParameter "W0202";
    LostParameter "W0401";
    TimeIgnored "W0501";
    PathNearMiss "W0502";
    WeaklyUnboundedVelocity "W0503";
    CornerUnderDivergence "W0504";
    SuperlinearGrowth "W0505";
    ContractionUnderAdjoint "W0506";
    BridgeEpsilon "W0520";
    SourceNotGaussian "W0521";
    ToleranceBelowPrecision "W0601";
    Untrained "W0602";
    CostlyTrace "W0603";
    RateIsZero "W0604";
    IdleOption "W0605";
    UntrainedTimes "W0606";
    DeterministicMetric "W0650";
    NoTestRows "W0810";
}

/// The page of a code or slug.
#[must_use]
pub fn page(code_or_slug: &str) -> Option<&'static str> {
    let word = code_or_slug.trim();
    let fits = |c: &Code| c.number().eq_ignore_ascii_case(word) || c.slug().eq_ignore_ascii_case(word);
    PAGES.iter().find(|(c, _)| fits(c)).map(|(_, page)| *page)
}

/// The codes that have a page.
pub fn pages() -> impl Iterator<Item = (Code, &'static str)> {
    PAGES.iter().copied()
}

/// A code that a mistyped code or slug may have meant.
#[must_use]
pub fn nearest(code_or_slug: &str) -> Option<Code> {
    let words = Code::ALL.iter().flat_map(|c| [c.number(), c.slug()]);
    let near = super::suggest::nearest(code_or_slug.trim(), words)?;
    Code::ALL.iter().copied().find(|c| c.number() == near || c.slug() == near)
}
