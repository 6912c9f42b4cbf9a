//! How a chunk begins: samples copied in, first slopes, first steps.

use super::chunk::{Lane, tile_panels};
use super::config::Steps;
use super::control::{Clock, first_step, probe_step};
use super::failure::SolveError;
use super::forward::{Control, March, status};
use super::real::Real;
use super::tile::{self, Slopes};
use crate::backend::{LANES, PANEL};

impl<T: Real> March<'_, '_, T> {
    /// Copies states and captures in; lanes without a span are finished at once.
    pub(super) fn load(&mut self) {
        let (plan, sizes) = (self.plan, self.plan.sizes);
        let problem = plan.problem;
        let tiles = self.columns.div_ceil(LANES);
        self.ws.fit(tiles, sizes, plan.rhs);
        let first = self.base / LANES;
        let block = sizes.dim * LANES;
        // Both states of a pair begin as the initial state.
        for (number, to) in self.ws.y[..tiles * sizes.state * LANES].chunks_exact_mut(block.max(1)).enumerate() {
            let tile = first + number * sizes.dim / sizes.state;
            to.copy_from_slice(&problem.y0[tile * block..(tile + 1) * block]);
        }
        let caps = plan.rhs.caps();
        for tile in 0..tiles {
            let inputs = &mut self.ws.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
            let block = &problem.captures[(first + tile) * caps * LANES..(first + tile + 1) * caps * LANES];
            for (&row, values) in plan.rhs.rows().captures.iter().zip(block.chunks_exact(LANES)) {
                inputs[row * LANES..(row + 1) * LANES].copy_from_slice(values);
            }
        }
        self.pad(tiles);
        for column in 0..self.columns {
            let sample = self.base + column;
            let (t0, t1) = problem.span(sample);
            let mut lane = Lane {
                id: u16::try_from(column).unwrap_or(u16::MAX),
                t0,
                t1,
                t: t0,
                clock: Clock::new(t0, t1),
                ..Lane::default()
            };
            lane.fixed = match plan.config.steps {
                Steps::Count(n) => n,
                // A span that is a whole number of steps up to rounding takes that number.
                Steps::Size(size) => (((t1 - t0).abs() / size - 1e-9).ceil().max(1.0)) as u32,
                Steps::Adaptive(_) => 0,
            };
            self.ws.lanes[column] = lane;
            while self.observation(column).is_some_and(|time| time == t0) {
                self.emit_state(column);
            }
            if t0 == t1 {
                self.finish(column);
            }
        }
    }

    /// Fills the columns behind the last sample with copies of it, so that they hold sound numbers.
    fn pad(&mut self, tiles: usize) {
        let (sizes, last) = (self.plan.sizes, self.columns - 1);
        for column in self.columns..tiles * LANES {
            let copy = |blocks: &mut [T], tile_len: usize, row: usize| {
                let place = |column: usize| column / LANES * tile_len + row * LANES + column % LANES;
                blocks[place(column)] = blocks[place(last)];
            };
            (0..sizes.state).for_each(|row| copy(&mut self.ws.y, sizes.state * LANES, row));
            for &row in &self.plan.rhs.rows().captures {
                copy(&mut self.ws.inputs, sizes.rows * LANES, row);
            }
        }
    }

    /// Evaluates the first slopes, if anything but the first step needs them; with error control, chooses the first steps.
    pub(super) fn start(&mut self) -> Result<(), SolveError> {
        if self.control.is_none() && !self.plan.reuses_end() {
            return Ok(());
        }
        for (tile, panels) in tile_panels(self.columns) {
            self.first_stage(tile, panels, |lane| lane.t0)?;
        }
        self.first_slopes = true;
        self.each_active(|lane| lane.count.evaluations += 1);
        let Some(control) = self.control else { return Ok(()) };
        let Steps::Adaptive(adaptive) = &self.plan.config.steps else { return Ok(()) };
        match adaptive.first_step {
            Some(h) => self.each_active(|lane| lane.clock.wanted = h.min(lane.clock.span)),
            None => {
                for (tile, panels) in tile_panels(self.columns) {
                    self.estimate_first_steps(control, tile, panels)?;
                }
                self.each_active(|lane| lane.count.evaluations += 1);
            }
        }
        self.shared = Clock::new(0.0, 1.0);
        self.shared.wanted = 1.0;
        for lane in self.ws.lanes[..self.columns].iter_mut().filter(|l| !l.done) {
            self.shared.wanted = self.shared.wanted.min(lane.clock.wanted / lane.clock.span);
            lane.clock.wanted *= (lane.t1 - lane.t0).signum();
        }
        Ok(())
    }

    /// Leaves the first step of each lane, positive, in its clock.
    fn estimate_first_steps(&mut self, control: Control<T>, tile: usize, panels: usize) -> Result<(), SolveError> {
        let plan = self.plan;
        let (sizes, dim, tolerance) = (plan.sizes, plan.sizes.dim, control.tolerance);
        let block = sizes.dim * LANES;
        let y = &self.ws.y[tile * sizes.state * LANES..][..block];
        let k = &mut self.ws.k[tile * sizes.slots * block..(tile + 1) * sizes.slots * block];
        let inputs = &mut self.ws.inputs[tile * sizes.rows * LANES..(tile + 1) * sizes.rows * LANES];
        let lanes = &mut self.ws.lanes[tile * LANES..(tile + 1) * LANES];
        let rows = plan.controlled;
        let norm = |gathered: &[T; LANES], lane: usize| tolerance.finish(gathered[lane].to_f64(), rows, 1);

        let (slope_0, slope_1) = k.split_at_mut(block);
        let state = tile::size(y, None, y, rows, tolerance, panels);
        let slope = tile::size(slope_0, None, y, rows, tolerance, panels);
        let mut probe = [0.0; LANES];
        let mut h = [T::default(); LANES];
        for (l, lane) in lanes.iter().enumerate().take(panels * PANEL).filter(|(_, lane)| !lane.done) {
            probe[l] = probe_step(norm(&state, l), norm(&slope, l), lane.clock.span);
            h[l] = T::from_f64(probe[l] * (lane.t1 - lane.t0).signum());
        }
        let one = [(0, T::from_f64(1.0))];
        let first = Slopes { k: slope_0, dim };
        tile::advance(inputs, |row| plan.rhs.rows().state[row], y, first, &one, &h, panels);
        tile::place_time(inputs, plan.rhs.rows(), panels, |l| {
            lanes[l].t0 + probe[l] * (lanes[l].t1 - lanes[l].t0).signum()
        });
        self.run.paid += (panels * PANEL) as u64;
        status(plan.rhs.eval(inputs, &mut slope_1[..block], &mut self.ws.scratch, panels))?;
        let change = tile::size(slope_1, Some(slope_0), y, rows, tolerance, panels);
        for (l, lane) in lanes.iter_mut().enumerate().take(panels * PANEL).filter(|(_, lane)| !lane.done) {
            let (slope, change) = (norm(&slope, l), norm(&change, l));
            lane.clock.wanted = first_step(probe[l], slope, change, control.law.q, lane.clock.span);
        }
        Ok(())
    }
}
