//! Which instruction sets there are, which this processor has, and their names on the command line.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust with `mul_add`: any processor. Without a hardware FMA a software one is called: equal bits, slow.
    Portable,
    /// 256-bit vectors with FMA.
    Avx2,
    /// 512-bit vectors (F, VL, DQ, BW).
    Avx512,
}

impl Isa {
    /// Every instruction set, the narrowest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// The widest that this processor has.
    #[must_use]
    #[inline]
    pub fn detect() -> Isa {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| Isa::ALL.into_iter().rev().find(|isa| isa.has_features()).unwrap_or(Isa::Portable))
    }

    /// Whether this processor has it: it has every one up to the widest.
    #[must_use]
    #[inline]
    pub fn is_available(self) -> bool {
        self <= Isa::detect()
    }

    fn has_features(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.has_features()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    /// # Errors
    /// A sentence, if no instruction set has this name. Whether the processor has it is another question:
    /// [`Isa::is_available`].
    fn from_str(name: &str) -> Result<Isa, String> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| format!("there is no instruction set '{name}'; there are avx512, avx2 and portable"))
    }
}
