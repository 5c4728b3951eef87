//! What is asked and told about products.

use shanmen_protocols::time::UnixMs;
use shanmen_rules::definition::ProductDefinition;

/// A product as it is sold now, or was sold last.
#[derive(Clone, Debug)]
pub struct ProductView {
    /// Its latest definition.
    pub definition: ProductDefinition,
    /// The latest version, from 1 on.
    pub version: u32,
    /// Whether tickets of it are sold: its definition says so, and the configuration that brought
    /// it still names it.
    pub on_sale: bool,
}

/// A version of a product.
#[derive(Clone, Debug)]
pub struct VersionView {
    /// From 1 on.
    pub version: u32,
    /// When it was made; the epoch for one from before versions were kept.
    pub at: UnixMs,
    /// Who made it; `config` for the configuration file.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Whether it is also for the tickets sold before.
    pub applies_to_sold: bool,
    /// What it said.
    pub definition: ProductDefinition,
}

/// A change of a product, or a new one.
#[derive(Clone, Debug)]
pub struct ProductChange {
    /// The whole definition.
    pub definition: ProductDefinition,
    /// Why, for the audit trail.
    pub reason: String,
    /// The version that the caller has seen: another one in force is a conflict.
    pub seen: Option<u32>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductChanged {
    /// There was no product of this id.
    Added,
    /// There is a version more.
    Changed,
    /// It said this already.
    Unchanged,
}
