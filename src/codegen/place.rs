//! Order of steps, and places of values in scratch.
//!
//! Two topological orders are tried, the one of the program and a greedy one that frees memory first; the one with fewer
//! live rows wins, the greedy one of equals: it uses values while they are in the nearest cache. Places are given by liveness,
//! best fit, reused; an elementwise step or a map may write over an operand that dies with it. Offsets are rows of 64 lanes, so every value is aligned to 64 bytes within its block.

use super::lower::Lowered;
use super::plan::{Home, Task, Value, Work};
use super::view::Root;
use crate::backend::unit::row_major;

/// A block of the tile's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    Inputs,
    Outputs,
    Scratch,
}

/// Where everything is.
pub struct Placed {
    /// Steps in order of execution.
    pub order: Vec<usize>,
    /// Block and first row of every value; meaningless for values that stay in registers.
    pub at: Vec<(Space, usize)>,
    /// Rows of scratch.
    pub rows: usize,
}

/// The value that owns the memory of another, and the row in it.
fn root(values: &[Value], mut value: usize) -> (usize, usize) {
    let mut row = 0;
    while let Home::Within(parent, at) = values[value].home {
        row += at;
        value = parent;
    }
    (value, row)
}

/// For each step, what it touches.
struct Graph {
    /// Steps that must come before.
    before: Vec<Vec<usize>>,
    /// Owned roots it reads, each once.
    reads: Vec<Vec<usize>>,
    /// Owned roots it writes, each once.
    writes: Vec<Vec<usize>>,
    /// For each root, how many steps read it.
    readers: Vec<usize>,
}

fn graph(l: &Lowered) -> Graph {
    let n = l.steps.len();
    let mut g = Graph {
        before: vec![Vec::new(); n],
        reads: vec![Vec::new(); n],
        writes: vec![Vec::new(); n],
        readers: vec![0; l.values.len()],
    };
    let add = |list: &mut Vec<usize>, x: usize| {
        if !list.contains(&x) {
            list.push(x);
        }
    };
    for (s, task) in l.steps.iter().enumerate() {
        task.reads(|v| {
            l.values[v].producers.iter().for_each(|&p| add(&mut g.before[s], p));
            let (r, _) = root(&l.values, v);
            if l.values[r].home == Home::Own && !g.reads[s].contains(&r) {
                g.reads[s].push(r);
                g.readers[r] += 1;
            }
        });
        task.writes(|v| {
            let (r, _) = root(&l.values, v);
            if l.values[v].stored && l.values[r].home == Home::Own {
                add(&mut g.writes[s], r);
            }
        });
    }
    g
}

/// Live rows while steps run one after another.
struct Memory<'a> {
    graph: &'a Graph,
    values: &'a [Value],
    left: Vec<usize>,
    allocated: Vec<bool>,
    live: isize,
    peak: isize,
}

impl<'a> Memory<'a> {
    fn new(graph: &'a Graph, values: &'a [Value]) -> Self {
        let left = graph.readers.clone();
        Memory { graph, values, left, allocated: vec![false; values.len()], live: 0, peak: 0 }
    }

    /// Rows that a step begins to occupy, and rows that it ends.
    fn change(&self, step: usize) -> (isize, isize) {
        let rows = |r: &usize| self.values[*r].rows as isize;
        let begins = self.graph.writes[step].iter().filter(|r| !self.allocated[**r]).map(rows).sum();
        let ends = self.graph.reads[step].iter().filter(|r| self.left[**r] == 1).map(rows).sum();
        (begins, ends)
    }

    fn run(&mut self, step: usize) {
        let (begins, ends) = self.change(step);
        self.graph.writes[step].iter().for_each(|&r| self.allocated[r] = true);
        self.graph.reads[step].iter().for_each(|&r| self.left[r] -= 1);
        self.peak = self.peak.max(self.live + begins);
        self.live += begins - ends;
    }
}

/// A topological order by least `key`, and its peak of live rows.
fn sort<K: Ord>(g: &Graph, values: &[Value], key: impl Fn(&Memory<'_>, usize) -> K) -> (Vec<usize>, isize) {
    let n = g.before.len();
    let mut waiting: Vec<usize> = g.before.iter().map(Vec::len).collect();
    let mut after = vec![Vec::new(); n];
    for (s, before) in g.before.iter().enumerate() {
        before.iter().for_each(|&b| after[b].push(s));
    }
    let mut memory = Memory::new(g, values);
    let mut ready: Vec<usize> = (0..n).filter(|&s| waiting[s] == 0).collect();
    let mut order = Vec::with_capacity(n);
    while let Some(at) = (0..ready.len()).min_by_key(|&i| key(&memory, ready[i])) {
        let step = ready.swap_remove(at);
        memory.run(step);
        order.push(step);
        for &s in &after[step] {
            waiting[s] -= 1;
            if waiting[s] == 0 {
                ready.push(s);
            }
        }
    }
    assert_eq!(order.len(), n, "the graph of steps has no cycle");
    (order, memory.peak)
}

/// Orders steps and places values.
pub fn place(l: &Lowered) -> Placed {
    let g = graph(l);
    // The program's order: a group stands where it was begun, unless it waits for something later.
    let (plain, plain_peak) = sort(&g, &l.values, |_, s| s);
    let (greedy, greedy_peak) = sort(&g, &l.values, |m, s| {
        let (begins, ends) = m.change(s);
        (begins - ends, s)
    });
    let order = if greedy_peak <= plain_peak { greedy } else { plain };

    let mut left = g.readers.clone();
    let mut offset: Vec<Option<usize>> = vec![None; l.values.len()];
    let mut free: Vec<(usize, usize)> = Vec::new();
    let mut rows = 0;
    for &step in &order {
        g.reads[step].iter().for_each(|&r| left[r] -= 1);
        let mut dying: Vec<usize> = g.reads[step].iter().copied().filter(|&r| left[r] == 0).collect();
        for &w in &g.writes[step] {
            if offset[w].is_some() {
                continue;
            }
            let over = dying.iter().position(|&r| may_overwrite(l, step, r, w));
            let at = match over {
                Some(i) => offset[dying.swap_remove(i)].expect("written before it is read"),
                None => allocate(&mut free, &mut rows, l.values[w].rows),
            };
            offset[w] = Some(at);
            if g.readers[w] == 0 {
                dying.push(w);
            }
        }
        for r in dying {
            release(&mut free, offset[r].expect("written before it is read"), l.values[r].rows);
        }
    }
    let at = (0..l.values.len())
        .map(|v| {
            let (r, row) = root(&l.values, v);
            match l.values[r].home {
                Home::Inputs(first) => (Space::Inputs, first + row),
                Home::Outputs(first) => (Space::Outputs, first + row),
                Home::Own | Home::Within(..) => (Space::Scratch, offset[r].unwrap_or(0) + row),
            }
        })
        .collect();
    Placed { order, at, rows }
}

/// Whether a step may write root `w` where root `r`, which dies with it, stands: it reads each element of `r` only before
/// it writes the same one.
fn may_overwrite(l: &Lowered, step: usize, r: usize, w: usize) -> bool {
    let same_size = l.values[r].rows == l.values[w].rows;
    let whole =
        |value: usize, of: usize| root(&l.values, value) == (of, 0) && l.values[value].rows == l.values[of].rows;
    match &l.steps[step] {
        Task::Map { x, y, .. } => same_size && whole(x.value, r) && x.offset == 0 && whole(*y, w),
        Task::Loops(g) => {
            let mut stores = g.stores.iter().filter(|s| l.values[s.value].stored);
            let (Some(store), None) = (stores.next(), stores.next()) else { return false };
            let strides = row_major(&g.shape);
            let reads = g.accesses.iter().all(|a| match a.root {
                Root::Value(v) if root(&l.values, v).0 == r => whole(v, r) && a.offset == 0 && a.strides == strides,
                Root::Value(_) | Root::Uniform(_) | Root::Constant(_) => true,
            });
            let loops = g.members.iter().all(|m| matches!(m, Work::Point(..)));
            same_size && reads && loops && whole(store.value, w) && store.offset == 0 && store.strides == strides
        }
        Task::Gemm { .. } | Task::Grad { .. } | Task::SumLanes { .. } => false,
    }
}

fn allocate(free: &mut Vec<(usize, usize)>, rows: &mut usize, len: usize) -> usize {
    let best = (0..free.len()).filter(|&i| free[i].1 >= len).min_by_key(|&i| free[i].1);
    if let Some(i) = best {
        let (at, n) = free[i];
        if n == len {
            free.remove(i);
        } else {
            free[i] = (at + len, n - len);
        }
        return at;
    }
    // Grow, from a free block at the end if there is one.
    if let Some(i) = free.iter().position(|&(at, n)| at + n == *rows) {
        let (at, _) = free.remove(i);
        *rows = at + len;
        return at;
    }
    *rows += len;
    *rows - len
}

fn release(free: &mut Vec<(usize, usize)>, at: usize, len: usize) {
    if len == 0 {
        return;
    }
    let i = free.partition_point(|&(a, _)| a < at);
    free.insert(i, (at, len));
    if i + 1 < free.len() && free[i].0 + free[i].1 == free[i + 1].0 {
        free[i].1 += free[i + 1].1;
        free.remove(i + 1);
    }
    if i > 0 && free[i - 1].0 + free[i - 1].1 == free[i].0 {
        free[i - 1].1 += free[i].1;
        free.remove(i);
    }
}
