//! Which gate a lane belongs to, which areas a way enters, whose a product is: what the tally goes
//! by. Made from what the books themselves keep of the park, since they count also what was left
//! before the park of this start is known.

use std::sync::Arc;

use shanmen_rules::{
    AreaIx, LaneIx, ProductIx,
    definition::{AreaDefinition, GateDefinition, LaneDefinition, ProductDefinition},
};

/// A lane and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct LanePlace {
    pub(crate) id: Arc<str>,
    pub(crate) gate: Arc<str>,
    pub(crate) from: AreaIx,
    pub(crate) to: AreaIx,
    /// Its gate only leads out: whoever passes it leaves, whatever the lane calls it.
    pub(crate) way_out: bool,
}

/// The park by its numbers.
#[derive(Debug)]
pub(crate) struct Places {
    site: Arc<str>,
    /// Index 0 is the world outside.
    areas: Vec<(Arc<str>, Option<usize>)>,
    lanes: Vec<LanePlace>,
    products: Vec<(Arc<str>, Arc<str>)>,
}

impl Default for Places {
    fn default() -> Self {
        Self::new(&[], &[], &[], &[])
    }
}

impl Places {
    /// Of the definitions by their numbers; areas begin at number 1.
    pub(crate) fn new(
        areas: &[AreaDefinition],
        gates: &[GateDefinition],
        lanes: &[LaneDefinition],
        products: &[ProductDefinition],
    ) -> Self {
        let number = |id: &str| areas.iter().position(|area| area.id == id).map(|n| n + 1);
        let outside = std::iter::once((Arc::from("outside"), None));
        let named = areas
            .iter()
            .map(|area| (Arc::from(area.id.as_str()), area.parent.as_deref().and_then(number)));
        let mut places = Self {
            site: Arc::from(""),
            areas: outside.chain(named).collect(),
            lanes: Vec::with_capacity(lanes.len()),
            products: products
                .iter()
                .map(|one| (Arc::from(one.id.as_str()), Arc::from(one.class.as_str())))
                .collect(),
        };
        let ix = |id: &str| AreaIx(number(id).and_then(|n| u16::try_from(n).ok()).unwrap_or(0));
        for lane in lanes {
            let gate = gates.iter().find(|gate| gate.id == lane.gate);
            let (from, to) =
                gate.map_or((AreaIx::OUTSIDE, AreaIx::OUTSIDE), |g| (ix(&g.from), ix(&g.to)));
            let way_out = places.entered(from, to).next().is_none();
            places.lanes.push(LanePlace {
                id: Arc::from(lane.id.as_str()),
                gate: Arc::from(lane.gate.as_str()),
                from,
                to,
                way_out,
            });
        }
        places
    }

    /// The site's key.
    pub(crate) fn site(&self) -> &Arc<str> {
        &self.site
    }

    /// A lane by its number.
    pub(crate) fn lane(&self, ix: LaneIx) -> Option<&LanePlace> {
        self.lanes.get(usize::from(ix.0))
    }

    /// A product's id and class by its number.
    pub(crate) fn product(&self, ix: ProductIx) -> Option<(&Arc<str>, &Arc<str>)> {
        self.products.get(usize::from(ix.0)).map(|(id, class)| (id, class))
    }

    /// An area's id by its number.
    pub(crate) fn area(&self, ix: usize) -> Option<&Arc<str>> {
        self.areas.get(ix).map(|(id, _)| id)
    }

    /// How many areas there are, the world outside among them.
    pub(crate) fn areas(&self) -> usize {
        self.areas.len()
    }

    /// The areas that one enters on the way from `from` to `to`.
    pub(crate) fn entered(&self, from: AreaIx, to: AreaIx) -> impl Iterator<Item = &Arc<str>> {
        self.entered_numbers(from, to).filter_map(|n| self.area(n))
    }

    /// The same as numbers.
    pub(crate) fn entered_numbers(
        &self,
        from: AreaIx,
        to: AreaIx,
    ) -> impl Iterator<Item = usize> + '_ {
        self.within(to).filter(move |area| !self.within(from).any(|one| one == *area))
    }

    /// An area and those that it lies in, the outside not among them. A loop, which no checked
    /// park has, ends at the number of areas.
    fn within(&self, area: AreaIx) -> impl Iterator<Item = usize> + '_ {
        let first = usize::from(area.0);
        let first = (0 < first && first < self.areas.len()).then_some(first);
        std::iter::successors(first, |&n| self.areas.get(n).and_then(|(_, parent)| *parent))
            .take(self.areas.len())
    }
}
