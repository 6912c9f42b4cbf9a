//! How an explicit method notices that stability, not the error, holds its steps down.
//!
//! Two stages at one time estimate the dominant eigenvalue of the Jacobian; steps at the boundary of stability, again and again,
//! mean a stiff equation (Hairer and Wanner II, IV.2; `HLAMB`, `IASTI` and `NONSTI` of `dopri5.f`). Looks at accepted steps;
//! changes nothing about the march.

use super::chunk::Lane;
use super::forward::March;
use super::real::Real;
use super::statistics::StiffStep;
use crate::backend::LANES;

/// Steps at the boundary of stability that are found one after another, and steps inside since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspicion {
    outside: u8,
    inside: u8,
}

/// So many steps at the boundary, not yet interrupted, are a stiff equation.
const STIFF: u8 = 15;
/// So many steps inside, one after another, interrupt.
const CALM: u8 = 6;
/// A step is looked at while there is a suspicion, and once in so many (`dopri5.f`: 1000, for marches as long as that).
const EVERY: u32 = 50;

impl Suspicion {
    /// Whether the step that was just accepted is looked at.
    fn wants(self, lane: &Lane) -> bool {
        lane.count.stiff.is_none() && (self.outside > 0 || lane.count.accepted.is_multiple_of(EVERY))
    }

    /// Takes a step into account; whether the equation is stiff.
    fn add(&mut self, outside: bool) -> bool {
        if outside {
            self.inside = 0;
            self.outside += 1;
            return self.outside >= STIFF;
        }
        self.inside += 1;
        if self.inside >= CALM {
            *self = Suspicion::default();
        }
        false
    }
}

impl<T: Real> March<'_, '_, T> {
    /// Looks at the accepted steps of a sweep.
    pub(super) fn look_for_stiffness(&mut self) {
        let (plan, dim) = (self.plan, self.plan.sizes.dim);
        let (Some(test), Some(_)) = (&plan.config.method.stiffness, &self.control) else { return };
        let slots = plan.sizes.slots;
        for column in 0..self.columns {
            let lane = &self.ws.lanes[column];
            if lane.done || !lane.accepted || !lane.suspicion.wants(lane) {
                continue;
            }
            let slope = |slot: usize, row: usize| {
                self.ws.k[((column / LANES * slots + slot) * dim + row) * LANES + column % LANES].to_f64()
            };
            let (mut change, mut distance) = (0.0, 0.0);
            for row in 0..dim {
                let d = slope(test.stages.1, row) - slope(test.stages.0, row);
                let apart: f64 = test.difference.iter().map(|&(slot, w)| w * slope(slot, row)).sum();
                change += d * d;
                distance += apart * apart;
            }
            let lane = &mut self.ws.lanes[column];
            // `h |k_j - k_i| / |Y_j - Y_i|`, where the step cancels.
            if lane.suspicion.add(distance > 0.0 && (change / distance).sqrt() > test.bound) {
                lane.count.stiff = Some(StiffStep { t: lane.t, h: lane.h });
            }
        }
    }
}
