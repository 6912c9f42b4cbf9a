//! Samples whose components fill a square, as grey pictures: one row a class.
//!
//! Input: [`Images`] of a cell. Output: an SVG that holds one PNG. Invariant: all pictures of a page share their scale of grey, from
//! the least to the greatest value of the target. Deliberately absent: colours, squares inside of squares.

use super::record::Images;
use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;

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
    let data = base64(&png(&pixels, width, height));
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

/// Eight bits of grey a pixel.
///
/// Source: Portable Network Graphics specification (W3C, 2nd ed.), 5.3 for chunks, 11.2.2 for the header.
fn png(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], body: &[u8]| {
        out.extend((body.len() as u32).to_be_bytes());
        let start = out.len();
        out.extend(kind);
        out.extend(body);
        let mut crc = Crc::new();
        crc.update(&out[start..]);
        out.extend(crc.sum().to_be_bytes());
    };
    let header = [&(width as u32).to_be_bytes()[..], &(height as u32).to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    // Every line begins with its filter: none.
    let lines: Vec<u8> = pixels.chunks_exact(width).flat_map(|line| [&[0], line].concat()).collect();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    let packed = packed.write_all(&lines).and_then(|()| packed.finish()).unwrap_or_default();
    chunk(b"IDAT", &packed);
    chunk(b"IEND", &[]);
    out
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |w, b| (w << 8) | u32::from(*b)) << (8 * (3 - three.len()));
        for k in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * k)) as usize & 63] as char;
            out.push(if k <= three.len() { letter } else { '=' });
        }
    }
    out
}
