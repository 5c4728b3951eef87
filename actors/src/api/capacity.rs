//! What is asked and told about the room in the areas.

use shanmen_protocols::{ids::AreaId, time::UnixMs};
use shanmen_rules::{Limits, definition::CapacityAction};

/// An area's counts against its capacity.
#[derive(Clone, Debug)]
pub struct CapacityView {
    /// The area.
    pub area: AreaId,
    /// Its capacities.
    pub capacity: Limits,
    /// Where entry stops: the capacities, or a share of them.
    pub entry_limits: Limits,
    /// Persons inside, sub-areas included.
    pub inside: u32,
    /// Places given away by open grants.
    pub reserved: u32,
    /// Entries of this business day.
    pub entries_today: u32,
    /// Persons of the tickets sold for this business day.
    pub sold_today: u32,
    /// The actions in force, the mildest first.
    pub actions: Vec<CapacityAction>,
    /// Who lets people in although it is full, and until when.
    pub override_on: Option<OverrideView>,
}

/// An override of an area's capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideView {
    /// It ends here.
    pub until: UnixMs,
    /// Since when.
    pub since: UnixMs,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
}
