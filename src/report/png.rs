//! Small pictures of one byte a pixel, as text that a page can hold.
//!
//! Pixels, row by row from the top -> base64 of a PNG, as a `data:` address takes it. Invariant: equal pixels give equal text.
//! Deliberately absent: reading, more than eight bits, interlacing.

use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;

/// Shades of grey.
pub(super) fn grey(pixels: &[u8], width: usize, height: usize) -> String {
    base64(&encode(pixels, width, height, None))
}

/// Indices into a palette of red, green and blue.
pub(super) fn indexed(pixels: &[u8], width: usize, height: usize, palette: &[[u8; 3]; 256]) -> String {
    base64(&encode(pixels, width, height, Some(palette)))
}

/// Source: Portable Network Graphics specification (W3C, 2nd ed.), 5.3 for chunks, 11.2.2 for the header, 11.2.3 for the palette.
fn encode(pixels: &[u8], width: usize, height: usize, palette: Option<&[[u8; 3]; 256]>) -> Vec<u8> {
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
    // Colour type 0 is grey, 3 a palette; both with eight bits.
    let colour = if palette.is_some() { 3 } else { 0 };
    let header = [&(width as u32).to_be_bytes()[..], &(height as u32).to_be_bytes(), &[8, colour, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    if let Some(palette) = palette {
        chunk(b"PLTE", palette.as_flattened());
    }
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
