//! What a solve cost.

/// Counts of one sample, as if it were solved alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SampleCount {
    /// Evaluations of the right-hand side.
    pub evaluations: u32,
    /// Steps taken.
    pub accepted: u32,
    /// Steps tried in vain.
    pub rejected: u32,
    /// Jacobians of the right-hand side, each factorised once; 0 for an explicit method.
    pub factorisations: u32,
    /// Where an explicit method found that the equation is stiff.
    pub stiff: Option<StiffStep>,
}

/// A step that stability held down, not the error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StiffStep {
    /// Where the step began.
    pub t: f64,
    /// The step.
    pub h: f64,
}

/// Samples whose equation is stiff to the explicit method that solved it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StiffSamples {
    /// How many.
    pub samples: u64,
    /// The first of them.
    pub first: u64,
    /// Where that was found.
    pub step: StiffStep,
}

impl StiffSamples {
    /// Those of two batches, of which `other` is the later.
    #[must_use]
    pub fn with(self, other: StiffSamples) -> StiffSamples {
        StiffSamples { samples: self.samples + other.samples, ..self }
    }
}

/// Counts of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Samples.
    pub samples: u64,
    /// Sums over samples.
    pub evaluations: u64,
    /// Sum of steps taken.
    pub accepted: u64,
    /// Sum of steps tried in vain.
    pub rejected: u64,
    /// Sum of Jacobians, each factorised once.
    pub factorisations: u64,
    /// Samples that an explicit method found to be stiff.
    pub stiff: Option<StiffSamples>,
    /// Least and most evaluations of a sample.
    pub evaluations_range: (u32, u32),
    /// Least and most attempted steps of a sample.
    pub steps_range: (u32, u32),
    /// Lane evaluations that were computed: `evaluations / paid` is the share that was useful.
    pub paid: u64,
}

impl Statistics {
    /// Statistics of samples; `paid` as computed.
    #[must_use]
    pub fn of(counts: &[SampleCount], paid: u64) -> Self {
        let mut s = Statistics { paid, ..Statistics::default() };
        for (i, c) in counts.iter().enumerate() {
            let steps = c.accepted + c.rejected;
            let widen = |(low, high): (u32, u32), x: u32| if i == 0 { (x, x) } else { (low.min(x), high.max(x)) };
            s.samples += 1;
            s.evaluations += u64::from(c.evaluations);
            s.accepted += u64::from(c.accepted);
            s.rejected += u64::from(c.rejected);
            s.factorisations += u64::from(c.factorisations);
            if let Some(step) = c.stiff {
                let here = StiffSamples { samples: 1, first: i as u64, step };
                s.stiff = Some(s.stiff.map_or(here, |before| before.with(here)));
            }
            s.evaluations_range = widen(s.evaluations_range, c.evaluations);
            s.steps_range = widen(s.steps_range, steps);
        }
        s
    }

    /// Evaluations of a sample on average.
    #[must_use]
    pub fn mean_evaluations(&self) -> f64 {
        self.evaluations as f64 / self.samples.max(1) as f64
    }

    /// Attempted steps of a sample on average.
    #[must_use]
    pub fn mean_steps(&self) -> f64 {
        (self.accepted + self.rejected) as f64 / self.samples.max(1) as f64
    }
}
