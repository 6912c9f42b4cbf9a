//! What to write instead, where a value of one kind stands in the place of another.
//!
//! Words that describe what was expected and what was found (as `errors` and `describe` write them) -> a help line, or none.
//! Invariant: a hint is only given when it is likely right. Deliberately absent: spans, codes.

/// The cure for a value of the wrong type.
pub(super) fn of_type(expected: &str, found: &str) -> Option<String> {
    let name = quoted(found);
    let is = |word: &str| found.starts_with(word);
    let number = is("the real") || is("the integer") || is("vec[") || is("mat[") || found == "real";
    Some(match expected {
        "a law" if is("the field") || is("the net") => {
            format!("did you mean `flow({name})`, the law that the field carries the source to?")
        }
        "a law" if number => {
            "a value is not drawn: bind it with `let`; laws are e.g. `normal(dim: 2)` or `uniform(0, 1)`".into()
        }
        "a law" => "laws are e.g. `normal(dim: 2)`, `uniform(0, 1)`, `moons()`, or your own `sampler`".into(),
        "a field" => "a field is declared: `field v(x, t) = mlp(concat(x, t), out: dim(x))`".into(),
        "a path" if name == "linear" => "the path of straight lines is `straight`; others are `trig` and `vp`".into(),
        "a path" => {
            "paths are `straight`, `trig`, `vp`, or your own, e.g. `path p(x0, x1, t) = (1 - t) * x0 + t * x1`".into()
        }
        "a coupling" => "couplings are `independent`, `optimal_transport(batch: 256)`, `sinkhorn(epsilon: 1)`, or your own `coupling`".into(),
        "a solver" => {
            "solvers are e.g. `dopri5(rtol: 1e-5, atol: 1e-5)`, `rk4(steps: 100)`, or your own `tableau`".into()
        }
        "an objective" => "objectives are e.g. `flow_matching(v, straight)`, or your own `objective`".into(),
        "a number, vector or matrix" | "a real" | "a vec" | "a mat" if is("the law") || is("the sampler") => {
            "draw from it first: `draw z ~ ...`".into()
        }
        "a number, vector or matrix" if is("the objective") => {
            "objectives are not added: write one of your own that draws what both need and ends in `minimize a + 0.1 * b`".into()
        }
        "a number, vector or matrix" | "a real" | "a vec" | "a mat"
            if is("the function") || is("the field") || is("the net") || is("the path") =>
        {
            format!("call it: `{name}(...)`")
        }
        "a number, vector or matrix" | "a real" | "a vec" | "a mat" if found == "a condition" => {
            "write `if ... then 1 else 0`".into()
        }
        "a number, vector or matrix" | "a real" if found.starts_with('"') => "numbers stand without quotes".into(),
        "a number, vector or matrix" | "a real" | "a vec" if is("one of") || is("a class") => {
            "a class is no number: `embed(y, 32)` or `one_hot(y, 10)` makes a vector of it".into()
        }
        "a number, vector or matrix" if is("a record of") => "take one of its members, e.g. `.x`".into(),
        _ if expected.starts_with("an integer") && found.starts_with('"') => "numbers stand without quotes".into(),
        _ if expected.starts_with("an integer") && number => "write a whole number, or round it with `floor`".into(),
        _ if expected.starts_with("an integer") => "write a whole number".into(),
        _ if expected.starts_with("`normal(mean, std)`") => "e.g. `~ normal(0, 0.1)` or `~ uniform(-1, 1)`".into(),
        "a number, vector or matrix" if is("a tuple of") => "take one of its items, e.g. `[0]`".into(),
        "a condition" => "a condition is a comparison, e.g. `x[0] < 0`, or `true` or `false`".into(),
        "a list" if number => "write it in brackets, e.g. `[64, 64]`, or as a range, e.g. `0..3`".into(),
        "a list" => "a list is e.g. `[64, 64]` or the range `0..3`".into(),
        "a function" if found.starts_with('"') => {
            format!("a function is named without quotes: `{}`", found.trim_matches('"'))
        }
        "a fn" | "a function" => "a function is e.g. `tanh`, `silu`, or `x => x * sigmoid(x)`".into(),
        _ => return None,
    })
}

/// A type of another language in the words of this one.
pub(super) fn type_word(name: &str) -> Option<&'static str> {
    Some(match name {
        "float" | "double" | "number" | "scalar" | "Float" | "f32" | "f64" | "float32" | "float64" => "real",
        "vector" | "Vector" | "array" | "Array" | "ndarray" => "vec[n]",
        "matrix" | "Matrix" => "mat[m, n]",
        "tensor" | "Tensor" => "vec[n]` or `mat[m, n]",
        "integer" | "Int" | "i32" | "i64" => "int",
        "boolean" | "Bool" => "bool",
        "function" | "callable" | "Callable" => "fn",
        "distribution" | "Distribution" => "law",
        _ => return None,
    })
}

/// The first name in back-quotes.
fn quoted(s: &str) -> &str {
    s.split('`').nth(1).unwrap_or("f")
}
