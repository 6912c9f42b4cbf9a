//! What a file comes to.

/// What the rows of a set are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Rows that training sees.
    Train,
    /// Rows to look at meanwhile.
    Validation,
    /// Rows that judge.
    Test,
}

impl Split {
    /// All of them, in the order of `split: [train, validation, test]`.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];
}

/// Equally long columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Rows of every column.
    pub rows: usize,
    /// What a row holds, in order.
    pub columns: Vec<Column>,
    /// A class for each row.
    pub labels: Option<Labels>,
    /// The rows of each split, in the order of [`Split::ALL`].
    pub splits: [Vec<u32>; 3],
    /// What was subtracted from the first column and what it was divided by.
    pub scale: Option<Scale>,
}

impl Table {
    /// The rows of a split.
    #[must_use]
    pub fn split(&self, split: Split) -> &[u32] {
        &self.splits[split as usize]
    }
}

/// One column: a tensor in each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Shape of what a row holds.
    pub shape: Vec<usize>,
    /// `[row][element]`, row-major.
    pub values: Vec<f64>,
}

impl Column {
    /// Elements of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Classes of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// What the classes are called, in the order of their numbers.
    pub names: Vec<String>,
    /// The class of each row.
    pub of: Vec<u32>,
}

/// `stored = (read - mean) / deviation`, elementwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Of each element of a row.
    pub mean: Vec<f64>,
    /// Of each element of a row, positive.
    pub deviation: Vec<f64>,
}
