//! How numbers are written for people.
//!
//! Input: values with or without an error. Output: short text with at most four significant digits, the error deciding how
//! many of them are shown. Invariant: no more digits than the error supports, the same text everywhere (terminal, page).
//! Deliberately absent: machine formats (JSON keeps full precision).

/// Significant digits of a value.
const DIGITS: i32 = 4;
/// Significant digits of an error.
const ERROR_DIGITS: i32 = 2;

/// The decimal exponent of `x` once rounded to `digits` significant digits: 9.9999 has 1 at four digits, not 0.
fn exponent(x: f64, digits: i32) -> i32 {
    if x == 0.0 {
        return 0;
    }
    let text = format!("{:.*e}", (digits - 1) as usize, x.abs());
    text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0)
}

fn unusual(x: f64) -> Option<String> {
    if x.is_finite() {
        None
    } else if x.is_nan() {
        Some("nan".into())
    } else {
        Some(if x > 0.0 { "inf".into() } else { "-inf".into() })
    }
}

/// Whether decimal notation of numbers of this size is short.
fn plain_range(e: i32) -> bool {
    (-3..DIGITS).contains(&e)
}

fn trimmed(s: &str) -> &str {
    if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.') } else { s }
}

/// At most four significant digits: `0.0931`, `62`, `1.235e4`, `2e-6`.
#[must_use]
pub fn plain(x: f64) -> String {
    if let Some(word) = unusual(x) {
        return word;
    }
    let e = exponent(x, DIGITS);
    if x == 0.0 || plain_range(e) {
        let text = format!("{:.*}", (DIGITS - 1 - e).max(0) as usize, x);
        return trimmed(&text).to_string();
    }
    let text = format!("{:.*e}", (DIGITS - 1) as usize, x);
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", trimmed(mantissa))
}

/// Two numbers with as few digits as tell them apart: `20` and `20.0000001`.
#[must_use]
pub fn apart(a: f64, b: f64) -> (String, String) {
    let short = (plain(a), plain(b));
    if short.0 != short.1 || a == b || !a.is_finite() || !b.is_finite() {
        return short;
    }
    let digits = |n: usize| {
        let one = |x: f64| format!("{x:.n$e}").parse::<f64>().unwrap_or(x).to_string();
        (one(a), one(b))
    };
    (DIGITS as usize..=16).map(digits).find(|(a, b)| a != b).unwrap_or(short)
}

/// A value with its standard error: `0.0931 ± 0.0020`, `(1.20 ± 0.31)e-6`. Two digits of the error, at most four of the
/// value; an error too small to show at these digits is written by itself, `0.954 ± 2e-6`.
#[must_use]
pub fn with_error(x: f64, error: f64) -> String {
    if !x.is_finite() || !error.is_finite() {
        return plain(x);
    }
    let error = error.abs();
    if error == 0.0 {
        return format!("{} ± 0", plain(x));
    }
    let (ex, ee) = (exponent(x, DIGITS), exponent(error, ERROR_DIGITS));
    let top = if x == 0.0 { ee } else { ex.max(ee) };
    if !plain_range(top) {
        let unit = 10f64.powi(top);
        let (a, b) = digits(x / unit, error / unit, 0, ee - top);
        return format!("({a} ± {b})e{top}");
    }
    let (a, b) = digits(x, error, top, ee);
    format!("{a} ± {b}")
}

/// A published number with its spread, if it has one. Its digits are the paper's.
#[must_use]
pub fn with_spread(x: f64, spread: Option<f64>) -> String {
    spread.map_or_else(|| plain(x), |s| format!("{} ± {}", plain(x), plain(s)))
}

/// Both with the same number of decimals; `top` and `ee` are the exponents of the larger one and of the error.
fn digits(x: f64, error: f64, top: i32, ee: i32) -> (String, String) {
    let decimals = (ERROR_DIGITS - 1 - ee).min(DIGITS - 1 - top).max(0) as usize;
    let a = format!("{x:.decimals$}");
    let a = if a.starts_with('-') && a.trim_matches(['-', '0', '.']).is_empty() { a[1..].to_string() } else { a };
    let b = format!("{error:.decimals$}");
    let shown = b.bytes().any(|c| (b'1'..=b'9').contains(&c));
    if shown { (a, b) } else { (trimmed(&a).to_string(), format!("{error:.0e}")) }
}

/// Both ends of an interval with the decimals that its half width deserves: `0.0018 … 0.0048`.
#[must_use]
pub fn interval(middle: f64, half: f64) -> String {
    let (lo, hi) = (middle - half, middle + half);
    let top = exponent(lo.abs().max(hi.abs()), DIGITS);
    if !lo.is_finite() || !hi.is_finite() || half == 0.0 || !plain_range(top) {
        return format!("{} … {}", plain(lo), plain(hi));
    }
    let decimals = (ERROR_DIGITS - 1 - exponent(half, ERROR_DIGITS)).min(DIGITS - 1 - top).max(0) as usize;
    format!("{lo:.decimals$} … {hi:.decimals$}")
}

/// A whole number with separators: `20,000`.
#[must_use]
pub fn count(n: impl std::fmt::Display) -> String {
    let digits = n.to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |d| ("-", d));
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    format!("{sign}{out}")
}

/// A time in seconds: `30 µs`, `4.2 ms`, `0.38 s`, `12 s`, `4 min 12 s`, `2 h 03 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".into();
    }
    if seconds > 0.0 && seconds < 0.0995 {
        let (x, unit) = if seconds < 0.995e-3 { (seconds * 1e6, "µs") } else { (seconds * 1e3, "ms") };
        return format!("{} {unit}", trimmed(&format!("{x:.*}", usize::from(x < 9.95))));
    }
    if seconds < 9.95 {
        return format!("{} s", trimmed(&format!("{seconds:.2}")));
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A number of bytes: `2.2 MB` (powers of ten).
#[must_use]
pub fn bytes(n: u64) -> String {
    let (unit, name) = match n {
        0..1_000 => return format!("{n} B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{} {name}", trimmed(&format!("{:.1}", n as f64 / unit)))
}
