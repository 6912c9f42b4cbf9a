//! Machine code of loops of 512-bit vectors, which Cranelift does not make.
//!
//! Calls in the order of the instructions -> bytes of a function for the System V convention. Encodings: Intel 64 and IA-32
//! Architectures Software Developer's Manual, volume 2, 2.7 (EVEX) and the pages of each instruction. Operands in memory have
//! 32-bit distances always, so that the compressed ones need no thought. Deliberately absent: everything that elementwise
//! loops do not use.

/// A vector register, 0 to 31.
pub type Zmm = u8;

/// A general register: its number in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpr(u8);

/// Registers of the first arguments.
pub const ARGUMENTS: [Gpr; 6] = [Gpr(7), Gpr(6), Gpr(2), Gpr(1), Gpr(8), Gpr(9)];
/// Counts the lanes of a row.
const RAX: Gpr = Gpr(0);
/// Counts rows.
const R11: Gpr = Gpr(11);

/// Bytes of a vector.
pub const BYTES: i32 = 64;

/// Predicates of comparisons, without signals but for the order.
#[derive(Clone, Copy, Debug)]
pub enum Predicate {
    Equal = 0,
    Less = 1,
    LessEq = 2,
    Unordered = 3,
    NotEqual = 4,
}

/// An operation of two vectors.
#[derive(Clone, Copy, Debug)]
pub enum Binary {
    Sqrt = 0x51,
    And = 0x54,
    Add = 0x58,
    Mul = 0x59,
    Sub = 0x5c,
    Div = 0x5e,
}

#[derive(Clone, Copy)]
enum Operand {
    Register(Zmm),
    /// `[base + rax + distance]`.
    Lane(Gpr, i32),
    /// `[base + distance]`.
    Scalar(Gpr, i32),
    /// A constant of the pool.
    Pool(usize),
}

/// The opcode maps.
#[derive(Clone, Copy)]
enum Map {
    M0f = 1,
    M0f38 = 2,
    M0f3a = 3,
}

/// A function under construction.
pub struct Code {
    bytes: Vec<u8>,
    double: bool,
    pool: Vec<u64>,
    /// Where a distance to a constant stands, and its index.
    fixups: Vec<(usize, usize)>,
}

impl Code {
    /// A function on doubles or on singles.
    pub fn new(double: bool) -> Code {
        Code { bytes: Vec::new(), double, pool: Vec::new(), fixups: Vec::new() }
    }

    /// `prefix`: none or 66. Bits that the encoding inverts are inverted here.
    #[allow(clippy::too_many_arguments)]
    fn evex(&mut self, map: Map, prefix: bool, op: u8, reg: u8, second: Zmm, rm: Operand, mask: u8, zeroing: bool) {
        let (x, b) = match rm {
            Operand::Register(r) => (r >> 4 & 1, r >> 3 & 1),
            Operand::Lane(base, _) | Operand::Scalar(base, _) => (0, base.0 >> 3),
            Operand::Pool(_) => (0, 0),
        };
        let not = |bit: u8| bit ^ 1;
        let p0 = not(reg >> 3 & 1) << 7 | not(x) << 6 | not(b) << 5 | not(reg >> 4 & 1) << 4 | map as u8;
        let p1 = u8::from(self.double) << 7 | (!second & 15) << 3 | 1 << 2 | u8::from(prefix);
        let p2 = u8::from(zeroing) << 7 | 0b10 << 5 | not(second >> 4 & 1) << 3 | mask;
        self.bytes.extend([0x62, p0, p1, p2, op]);
        let reg = (reg & 7) << 3;
        match rm {
            Operand::Register(r) => self.bytes.push(0b11 << 6 | reg | r & 7),
            Operand::Lane(base, at) => {
                self.bytes.extend([0b10 << 6 | reg | 0b100, RAX.0 << 3 | base.0 & 7]);
                self.bytes.extend(at.to_le_bytes());
            }
            Operand::Scalar(base, at) => {
                // An index of 100 is none.
                self.bytes.extend([0b10 << 6 | reg | 0b100, 0b100 << 3 | base.0 & 7]);
                self.bytes.extend(at.to_le_bytes());
            }
            Operand::Pool(constant) => {
                self.bytes.push(reg | 0b101);
                self.fixups.push((self.bytes.len(), constant));
                self.bytes.extend([0; 4]);
            }
        }
    }

    /// An instruction whose prefix tells doubles from singles.
    fn arithmetic(&mut self, op: u8, reg: u8, second: Zmm, rm: Operand) {
        self.evex(Map::M0f, self.double, op, reg, second, rm, 0, false);
    }

    /// `to = [base + lane + at]`
    pub fn load(&mut self, to: Zmm, base: Gpr, at: i32) {
        self.arithmetic(0x10, to, 0, Operand::Lane(base, at));
    }

    /// `[base + lane + at] = from`
    pub fn store(&mut self, from: Zmm, base: Gpr, at: i32) {
        self.arithmetic(0x11, from, 0, Operand::Lane(base, at));
    }

    fn broadcast(&mut self, to: Zmm, from: Operand) {
        self.evex(Map::M0f38, true, if self.double { 0x19 } else { 0x18 }, to, 0, from, 0, false);
    }

    /// Every lane of `to` is the scalar at `[base + at]`.
    pub fn splat(&mut self, to: Zmm, base: Gpr, at: i32) {
        self.broadcast(to, Operand::Scalar(base, at));
    }

    /// Every lane of `to` has these bits (of a single, the low half).
    pub fn constant(&mut self, to: Zmm, bits: u64) {
        let known = self.pool.iter().position(|&c| c == bits).unwrap_or_else(|| {
            self.pool.push(bits);
            self.pool.len() - 1
        });
        self.broadcast(to, Operand::Pool(known));
    }

    /// `to = a op b`; a square root has no `a`.
    pub fn binary(&mut self, op: Binary, to: Zmm, a: Zmm, b: Zmm) {
        let a = if matches!(op, Binary::Sqrt) { 0 } else { a };
        self.arithmetic(op as u8, to, a, Operand::Register(b));
    }

    /// Mask `k` (1 to 7) is where `a p b`.
    pub fn compare(&mut self, p: Predicate, k: u8, a: Zmm, b: Zmm) {
        self.arithmetic(0xc2, k, a, Operand::Register(b));
        self.bytes.push(p as u8);
    }

    /// `to` is `yes` where mask `k`, else `no`.
    pub fn blend(&mut self, to: Zmm, k: u8, yes: Zmm, no: Zmm) {
        self.evex(Map::M0f38, true, 0x65, to, no, Operand::Register(yes), k, false);
    }

    /// `to` is `yes` where mask `k`, else 0.
    pub fn keep(&mut self, to: Zmm, k: u8, yes: Zmm) {
        self.evex(Map::M0f, self.double, 0x28, to, 0, Operand::Register(yes), k, true);
    }

    /// `to = x`
    pub fn copy(&mut self, to: Zmm, x: Zmm) {
        self.arithmetic(0x28, to, 0, Operand::Register(x));
    }

    /// The greatest integer not above x.
    pub fn floor(&mut self, to: Zmm, x: Zmm) {
        let op = if self.double { 0x09 } else { 0x08 };
        self.evex(Map::M0f3a, true, op, to, 0, Operand::Register(x), 0, false);
        // Down, without the inexact signal.
        self.bytes.push(0b1001);
    }

    /// `rows` times (at least once) the body, then every pointer moves by its stride.
    pub fn rows(&mut self, rows: u32, pointers: &[(Gpr, i32)], body: impl FnOnce(&mut Self)) {
        self.bytes.extend([0x41, 0xb8 | R11.0 & 7]); // mov r11d, imm
        self.bytes.extend(rows.to_le_bytes());
        let top = self.bytes.len();
        body(self);
        if rows > 1 {
            for &(pointer, stride) in pointers.iter().filter(|(_, s)| *s != 0) {
                self.bytes.extend([0x48 | pointer.0 >> 3, 0x81, 0xc0 | pointer.0 & 7]); // add pointer, imm
                self.bytes.extend(stride.to_le_bytes());
            }
            self.bytes.extend([0x41, 0xff, 0xc8 | R11.0 & 7]); // dec r11d
            self.jump(0x85, top); // jnz
        }
    }

    /// For every vector of lanes, `end` bytes of them rounded up to whole vectors, the body.
    pub fn lanes(&mut self, end: Gpr, body: impl FnOnce(&mut Self)) {
        self.bytes.extend([0x31, 0xc0]); // xor eax, eax
        let top = self.bytes.len();
        body(self);
        self.bytes.extend([0x48, 0x83, 0xc0, BYTES as u8]); // add rax, BYTES
        self.bytes.extend([0x48 | (end.0 >> 3) << 2, 0x39, 0xc0 | (end.0 & 7) << 3]); // cmp rax, end
        self.jump(0x82, top); // jb
    }

    fn jump(&mut self, condition: u8, to: usize) {
        self.bytes.extend([0x0f, condition]);
        let distance = to as i32 - (self.bytes.len() as i32 + 4);
        self.bytes.extend(distance.to_le_bytes());
    }

    /// Returns to the caller; then the constants.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0xc5, 0xf8, 0x77, 0xc3]); // vzeroupper, ret
        let pad = self.bytes.len().next_multiple_of(8) - self.bytes.len();
        self.bytes.extend(std::iter::repeat_n(0xcc, pad));
        let pool = self.bytes.len();
        self.pool.iter().for_each(|bits| self.bytes.extend(bits.to_le_bytes()));
        for (at, constant) in self.fixups {
            let distance = (pool + 8 * constant) as i32 - (at as i32 + 4);
            self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.bytes
    }
}
