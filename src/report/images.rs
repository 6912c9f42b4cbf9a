//! Samples whose components fill a square, as grey pictures: one row a class.
//!
//! Input: [`Images`] of a cell. Output: an SVG that holds one PNG. Invariant: all pictures of a page share their scale of grey, from
//! the least to the greatest value of the target. Deliberately absent: colours, squares inside of squares.

use super::png;
use super::record::Images;

/// The least and greatest value of a set of pictures.
pub(super) fn range(values: &[f32]) -> Option<(f32, f32)> {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (lo, hi) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    (lo < hi).then_some((lo, hi))
}

/// A mosaic, dark where values are great; `words` say what it shows.
pub(super) fn mosaic(images: &Images, values: &[f32], (lo, hi): (f32, f32), words: &str) -> Option<String> {
    let (side, columns) = (images.side, images.columns);
    let rows = values.len() / (side * side * columns).max(1);
    if rows == 0 || columns == 0 {
        return None;
    }
    // A white line between pictures.
    let (width, height) = (columns * (side + 1) - 1, rows * (side + 1) - 1);
    let mut pixels = vec![255_u8; width * height];
    for (k, picture) in values.chunks_exact(side * side).enumerate() {
        let (top, left) = (k / columns * (side + 1), k % columns * (side + 1));
        for (i, v) in picture.iter().enumerate() {
            let shade = if v.is_finite() { ((v - lo) / (hi - lo)).clamp(0.0, 1.0) } else { 0.0 };
            pixels[(top + i / side) * width + left + i % side] = 255 - (shade * 255.0).round() as u8;
        }
    }
    let data = png::grey(&pixels, width, height);
    // Four points a pixel, in the tenths that all pictures of the page are drawn in; room for the names of rows.
    let scale = 40;
    let (w, h) = (width * scale, height * scale);
    let room = if images.classes.iter().any(|c| !c.is_empty()) { 280 } else { 0 };
    let names: String = images
        .classes
        .iter()
        .enumerate()
        .map(|(r, c)| {
            let y = (r * (side + 1) * 2 + side) * scale / 2 + 40;
            format!("<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>", room - 80, super::frame::escape(c))
        })
        .collect();
    Some(format!(
        "<svg viewBox=\"0 0 {} {h}\" style=\"max-width:{}px\" role=\"img\" aria-label=\"{}\">{names}<image x=\"{room}\" y=\"0\" width=\"{w}\" \
         height=\"{h}\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/></svg>",
        w + room,
        (w + room) / 10,
        super::frame::escape(words)
    ))
}
