//! The cheapest order of pairwise products.
//!
//! Dynamic programming over subsets of the operands of one einsum. A product of two subsets costs the multiplications and
//! additions over the indices that remain, weighed by how often its level is evaluated; two subsets that are equal up to the
//! names and the order of indices are paid once, and a subset that the program computes anyway costs nothing.
//! Einsums of more operands than `flatten` makes do not occur.

use super::flatten::MAX_OPERANDS;
use crate::ir::verify::MAX_RANK;
use crate::ir::{Dag, Level, NodeId, Op, prune, rebuild};
use std::collections::HashMap;

/// A product of nodes up to index names: operands with their indices, and which indices remain.
type Form = (Vec<(NodeId, Vec<u8>)>, Vec<u8>);

/// How much one operation of a level counts in a product of level `top`. Theta: once for a batch times the evaluations of a
/// solve; 4096 stands for both. Const: once, but not for nothing, so that ties break towards small values. Sample inside a
/// right-hand side: once for at least 16 evaluations.
pub fn weight(level: Level, top: Level) -> f64 {
    match level {
        Level::Const => 1e-9,
        Level::Theta => 1.0 / 4096.0,
        Level::Sample if top == Level::Stage => 1.0 / 16.0,
        Level::Sample | Level::Stage => 1.0,
    }
}

/// What an element of a result counts next to an operation: breaks ties.
const ELEMENT: f64 = 1e-6;
/// A product that is evaluated less often than the whole may be this large even where no operand is.
const MAX_HOISTED: f64 = 1024.0;

/// Gives every einsum an order.
pub fn order(from: &Dag, roots: &[NodeId]) -> (Dag, Vec<NodeId>) {
    let mut orderer = Orderer { from, available: HashMap::new(), made: HashMap::new() };
    for id in from.ids() {
        if let Some(tree) = Tree::new(from, id)
            && tree.operands.len() >= 2
        {
            let form = tree.form(tree.all()).0;
            orderer.available.entry(form).or_insert(id);
        }
    }
    let mut into = Dag::default();
    let map = rebuild(from, &mut into, roots, |dag, map, id| orderer.build(dag, map, id));
    let roots: Vec<NodeId> = roots.iter().map(|r| map[r]).collect();
    let (dag, map) = prune(&into, &roots);
    (dag, roots.iter().map(|r| map[r]).collect())
}

/// What the best order of a product costs; `None` if there is no order, or too many operands or indices.
pub fn cost(dag: &Dag, operands: Vec<(NodeId, Vec<u32>)>, output: Vec<u32>, extents: Vec<usize>) -> Option<f64> {
    if extents.len() > 64 {
        return None;
    }
    let tree = Tree::of(dag, operands, output, extents);
    match tree.operands.len() {
        0 => Some(0.0),
        1..=MAX_OPERANDS => {
            let plan = Plan::new(&tree, |_| false)?;
            plan.best[tree.all()].as_ref().map(|b| b.cost)
        }
        _ => None,
    }
}

struct Orderer<'a> {
    from: &'a Dag,
    /// Products that the program contains, by form.
    available: HashMap<Form, NodeId>,
    /// Products made so far, with their indices in the order of the form's.
    made: HashMap<Form, NodeId>,
}

impl Orderer<'_> {
    /// The einsum `id` in pairs; `None` if it is no einsum or has one operand.
    fn build(&mut self, dag: &mut Dag, map: &HashMap<NodeId, NodeId>, id: NodeId) -> Option<NodeId> {
        let tree = Tree::new(self.from, id)?;
        let all = tree.all();
        if tree.operands.len() < 2 || tree.operands.len() > MAX_OPERANDS {
            return None;
        }
        let plan = Plan::new(&tree, |form| self.available.contains_key(form))?;
        let (node, names) = self.subset(dag, map, &tree, &plan, all, true);
        // Identity matrices on output indices, repetition, and the order of the axes.
        let mut operands: Vec<(NodeId, &[u32])> = vec![(node, &names)];
        operands.extend(tree.eyes.iter().map(|(e, ix)| (map[e], ix.as_slice())));
        Some(dag.einsum_with(&operands, &tree.output, &|i| tree.extents.get(i as usize).copied()))
    }

    /// A node for a subset, with the names of its axes.
    fn subset(
        &mut self,
        dag: &mut Dag,
        map: &HashMap<NodeId, NodeId>,
        tree: &Tree,
        plan: &Plan,
        set: usize,
        root: bool,
    ) -> (NodeId, Vec<u32>) {
        if set.count_ones() == 1 {
            let (id, axes) = &tree.operands[set.trailing_zeros() as usize];
            let kept = tree.kept(set);
            let lonely = axes.iter().any(|&i| kept & (1 << i) == 0);
            if !lonely {
                return (map[id], axes.clone());
            }
            let mut names: Vec<u32> = Vec::new();
            for &i in axes {
                if kept & (1 << i) != 0 && !names.contains(&i) {
                    names.push(i);
                }
            }
            return (dag.einsum(&[(map[id], axes)], &names), names);
        }
        let (form, names) = tree.form(set);
        if let Some(&node) = self.made.get(&form) {
            return (node, names);
        }
        if plan.best[set].as_ref().is_some_and(|b| b.split == 0) && !root {
            // Part of the program: made here in its own best order, then shared.
            let whole = Tree::new(self.from, self.available[&form]).expect("an einsum");
            if let Some(plan) = Plan::new(&whole, |form| self.available.contains_key(form)) {
                let all = whole.all();
                self.subset(dag, map, &whole, &plan, all, true);
                return (self.made[&form], names);
            }
        }
        let split = plan.best[set].as_ref().map_or(0, |b| b.split);
        let (a, b) = if split == 0 { (set & set.wrapping_neg(), set & (set - 1)) } else { (split, set & !split) };
        let (x, xs) = self.subset(dag, map, tree, plan, a, false);
        let (y, ys) = self.subset(dag, map, tree, plan, b, false);
        // The last product is made in the order of the axes that is asked for, others in the form's.
        let order =
            if root && tree.eyes.is_empty() && tree.output.len() == names.len() { &tree.output } else { &names };
        let node = dag.einsum(&[(x, &xs), (y, &ys)], order);
        let canonical = dag.einsum(&[(node, order)], &names);
        self.made.insert(form, canonical);
        (node, order.clone())
    }
}

/// One einsum without its identity matrices.
struct Tree {
    operands: Vec<(NodeId, Vec<u32>)>,
    eyes: Vec<(NodeId, Vec<u32>)>,
    output: Vec<u32>,
    extents: Vec<usize>,
    levels: Vec<Level>,
    /// Indices that the output or an identity matrix has.
    wanted: u64,
}

impl Tree {
    fn new(dag: &Dag, id: NodeId) -> Option<Tree> {
        let Op::Einsum(e) = dag.op(id) else { return None };
        if e.extents.len() > 64 {
            return None;
        }
        let named = e.operands.iter().map(|(x, ix)| (*x, ix.iter().map(|&i| u32::from(i)).collect())).collect();
        Some(Tree::of(dag, named, (0..u32::from(e.output_rank)).collect(), e.extents.clone()))
    }

    /// A product of these operands.
    fn of(dag: &Dag, operands: Vec<(NodeId, Vec<u32>)>, output: Vec<u32>, extents: Vec<usize>) -> Tree {
        let (eyes, operands): (Vec<_>, Vec<_>) =
            operands.into_iter().partition(|(x, _)| matches!(dag.op(*x), Op::Eye(_)));
        let wanted = output.iter().fold(0u64, |m, &i| m | 1 << i);
        let wanted = eyes.iter().flat_map(|(_, ix)| ix).fold(wanted, |m, &i| m | 1 << i);
        let levels = operands.iter().map(|(x, _)| dag.level(*x)).collect();
        Tree { operands, eyes, output, extents, levels, wanted }
    }

    fn all(&self) -> usize {
        (1 << self.operands.len()) - 1
    }

    fn members(&self, set: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.operands.len()).filter(move |k| set & (1 << k) != 0)
    }

    /// Indices of a subset's operands.
    fn indices(&self, set: usize) -> u64 {
        self.members(set).flat_map(|k| &self.operands[k].1).fold(0, |m, &i| m | 1 << i)
    }

    /// Indices that the product of a subset still has: someone outside has them too.
    fn kept(&self, set: usize) -> u64 {
        self.indices(set) & (self.wanted | self.indices(self.all() & !set))
    }

    fn level(&self, set: usize) -> Level {
        self.members(set).map(|k| self.levels[k]).max().expect("not empty")
    }

    fn size(&self, indices: u64) -> f64 {
        (0..self.extents.len()).filter(|i| indices & (1 << i) != 0).map(|i| self.extents[i] as f64).product()
    }

    /// The canonical form of a subset, and the names of its indices in the form's order.
    fn form(&self, set: usize) -> (Form, Vec<u32>) {
        let kept = self.kept(set);
        let mut members: Vec<usize> = self.members(set).collect();
        members.sort_by_key(|&k| self.operands[k].0);
        let mut best: Option<(Form, Vec<u32>)> = None;
        for arrangement in arrangements(&members, |k| self.operands[k].0) {
            let mut names: Vec<u32> = Vec::new();
            let mut operands = Vec::with_capacity(arrangement.len());
            for &k in &arrangement {
                let (id, axes) = &self.operands[k];
                let numbers = axes
                    .iter()
                    .map(|&i| {
                        let at = names.iter().position(|&n| n == i).unwrap_or(names.len());
                        if at == names.len() {
                            names.push(i);
                        }
                        at as u8
                    })
                    .collect();
                operands.push((*id, numbers));
            }
            let remain: Vec<u8> = (0..names.len()).filter(|&n| kept & (1 << names[n]) != 0).map(|n| n as u8).collect();
            let order = remain.iter().map(|&n| names[usize::from(n)]).collect();
            let form = (operands, remain);
            if best.as_ref().is_none_or(|(b, _)| form < *b) {
                best = Some((form, order));
            }
        }
        best.expect("at least one arrangement")
    }
}

/// Orders of `sorted` that permute equal keys among themselves (all of them up to 24, then only the given one).
fn arrangements(sorted: &[usize], key: impl Fn(usize) -> NodeId) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    while at < sorted.len() {
        let end = (at..sorted.len()).find(|&k| key(sorted[k]) != key(sorted[at])).unwrap_or(sorted.len());
        let group = &sorted[at..end];
        let orders = permutations(group);
        if all.len() * orders.len() > 24 {
            return vec![sorted.to_vec()];
        }
        all = all.iter().flat_map(|prefix: &Vec<usize>| orders.iter().map(|o| [&prefix[..], o].concat())).collect();
        at = end;
    }
    all
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    match items {
        [] => vec![vec![]],
        _ if items.len() > 4 => vec![items.to_vec()],
        _ => (0..items.len())
            .flat_map(|k| {
                let rest: Vec<usize> = items.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, &x)| x).collect();
                permutations(&rest).into_iter().map(move |p| [&[items[k]][..], &p].concat())
            })
            .collect(),
    }
}

/// The best way to make a subset.
struct Best {
    cost: f64,
    /// One half; 0 for a single operand or for what the program contains.
    split: usize,
    /// What is computed on the way, by number of the form, with its cost: equal forms are paid once.
    steps: Vec<(u32, f64)>,
}

struct Plan {
    best: Vec<Option<Best>>,
}

impl Plan {
    /// `None` if every order has a value of more than four axes.
    fn new(tree: &Tree, available: impl Fn(&Form) -> bool) -> Option<Plan> {
        // Halves that share an index first; outer products on the way only where nothing else is possible.
        [true, false].into_iter().find_map(|connected| {
            let best = search(tree, &available, connected);
            best[tree.all()].is_some().then_some(Plan { best })
        })
    }
}

/// The best way to make each subset. `connected`: the halves of a proper subset share an index, or one is a scalar.
fn search(tree: &Tree, available: &impl Fn(&Form) -> bool, connected: bool) -> Vec<Option<Best>> {
    let all = tree.all();
    let top = tree.level(all);
    // What is made earlier is read again and again: never more than the largest operand that is there already.
    let limit = |level: Level| {
        let there = tree.members(all).filter(|&k| tree.levels[k] <= level);
        there.map(|k| tree.size(tree.indices(1 << k))).fold(MAX_HOISTED, f64::max)
    };
    let limits = [limit(Level::Theta), limit(Level::Sample)];
    let mut numbers: HashMap<Form, u32> = HashMap::new();
    let mut best: Vec<Option<Best>> = (0..=all).map(|_| None).collect();
    let kept: Vec<u64> = (0..=all).map(|set| tree.kept(set)).collect();
    for set in 1..=all {
        if set.count_ones() == 1 {
            let summed = tree.indices(set) != kept[set];
            let cost = if summed { tree.size(tree.indices(set)) * weight(tree.level(set), top) } else { 0.0 };
            best[set] = Some(Best { cost, split: 0, steps: vec![] });
            continue;
        }
        let elements = tree.size(kept[set]);
        let level = tree.level(set);
        let hoisted = level < top && elements > limits[usize::from(level == Level::Sample)];
        if set != all && (kept[set].count_ones() as usize > MAX_RANK || hoisted) {
            continue;
        }
        let lowest = set & set.wrapping_neg();
        let mut a = (set - 1) & set;
        while a > 0 {
            let b = set & !a;
            let meet = kept[a] & kept[b] != 0 || kept[a] == 0 || kept[b] == 0;
            if a & lowest != 0
                && (meet || set == all || !connected)
                && let (Some(x), Some(y)) = (&best[a], &best[b])
            {
                let over = kept[a] | kept[b];
                let operations = tree.size(over) * if over == kept[set] { 1.0 } else { 2.0 };
                let own = (operations + ELEMENT * elements) * weight(level, top);
                let shared = overlap(&x.steps, &y.steps);
                let cost = x.cost + y.cost - shared + own;
                if best[set].as_ref().is_none_or(|b| cost < b.cost * (1.0 - 1e-12)) {
                    // The step's own number follows below; its cost stands in front for now.
                    best[set] = Some(Best { cost, split: a, steps: vec![(u32::MAX, own)] });
                }
            }
            a = (a - 1) & set;
        }
        let Some(Best { cost, split, steps: own }) = best[set].take() else { continue };
        let form = tree.form(set).0;
        if set != all && available(&form) {
            best[set] = Some(Best { cost: 0.0, split: 0, steps: vec![] });
            continue;
        }
        let next = numbers.len() as u32;
        let number = *numbers.entry(form).or_insert(next);
        let half = |h: usize| best[h].as_ref().map_or(&[][..], |b| &b.steps);
        let mut steps = union(half(split), half(set & !split));
        let at = steps.partition_point(|(n, _)| *n < number);
        steps.insert(at, (number, own[0].1));
        best[set] = Some(Best { cost, split, steps });
    }
    best
}

/// The cost of what both lists of steps contain. The lists are sorted by number.
fn overlap(a: &[(u32, f64)], b: &[(u32, f64)]) -> f64 {
    let find = |x: &(u32, f64)| b.binary_search_by_key(&x.0, |y| y.0).ok().map(|k| x.1.min(b[k].1));
    a.iter().filter_map(find).sum()
}

/// Both lists of steps in one, sorted by number.
fn union(a: &[(u32, f64)], b: &[(u32, f64)]) -> Vec<(u32, f64)> {
    let mut all = [a, b].concat();
    all.sort_by_key(|x| x.0);
    all.dedup_by_key(|x| x.0);
    all
}
