//! What is sold: the versions of all products, and the park that is made of them.
//!
//! A change never touches a version that was sold under: it adds one, which new tickets get. Only
//! a definition with `applies_to_sold` also decides the tickets of the versions before it, and it
//! is refused where those lack what it asks for. Off the path of a scan, which reads the park.

use std::{collections::HashMap, sync::Arc};

use shanmen_protocols::time::UnixMs;
use shanmen_rules::{
    Park, ParkDefinition, ProductIx, ProductVersion, Text, check_for_sold,
    definition::ProductDefinition,
};

use crate::{
    api::{AuditLine, Fault, ProductChange, ProductChanged, ProductView, VersionView},
    clock::Clock,
    ledger::{Origin, ProductRow, Record, SqliteLedger, commit},
    live_park::LivePark,
    twin::fault,
};

/// How many versions all products have together, at most: half of what a ticket can name.
const VERSIONS_MAX: usize = 32_000;

/// What is sold.
pub(crate) struct Catalogue {
    park: LivePark,
    /// The site, areas, gates and lanes, which stay as they are while the program runs.
    place: Arc<ParkDefinition>,
    ledger: Arc<SqliteLedger>,
    clock: Clock,
    /// All versions, each at its number. Whoever changes something holds it until the end.
    rows: tokio::sync::Mutex<Vec<ProductRow>>,
}

impl Catalogue {
    /// Takes the versions of the ledger.
    pub(crate) fn new(
        park: LivePark,
        place: ParkDefinition,
        rows: Vec<ProductRow>,
        ledger: Arc<SqliteLedger>,
        clock: Clock,
    ) -> Self {
        Self { park, place: Arc::new(place), ledger, clock, rows: tokio::sync::Mutex::new(rows) }
    }

    /// The park as devices take it, to compile it as it is compiled here; without its version.
    pub(crate) async fn for_devices(&self) -> serde_json::Value {
        let rows = self.rows.lock().await;
        let mut definition = (*self.place).clone();
        definition.products.clear();
        serde_json::json!({ "definition": definition, "products": versions(&rows) })
    }

    /// The definition that tickets of a version are decided by.
    pub(crate) async fn definition(&self, ix: ProductIx) -> Result<ProductDefinition, Fault> {
        let rows = self.rows.lock().await;
        let row = rows.get(usize::from(ix.0)).ok_or(Fault::NotFound("product"))?;
        Ok(row.definition.clone())
    }

    /// All products by the order in which they were first seen.
    pub(crate) async fn all(&self) -> Vec<ProductView> {
        let rows = self.rows.lock().await;
        let latest: HashMap<&str, &ProductRow> =
            rows.iter().map(|row| (row.definition.id.as_str(), row)).collect();
        let first = rows.iter().filter(|row| row.version == 1);
        first
            .filter_map(|row| latest.get(row.definition.id.as_str()))
            .map(|row| view(row))
            .collect()
    }

    /// One product.
    pub(crate) async fn one(&self, id: &str) -> Result<ProductView, Fault> {
        let rows = self.rows.lock().await;
        let latest = rows.iter().rfind(|row| row.definition.id == id);
        latest.map(view).ok_or(Fault::NotFound("product"))
    }

    /// All versions of a product, the newest first.
    pub(crate) async fn versions(&self, id: &str) -> Result<Vec<VersionView>, Fault> {
        let rows = self.rows.lock().await;
        let of_this = rows.iter().rev().filter(|row| row.definition.id == id);
        let versions: Vec<VersionView> = of_this.map(version).collect();
        if versions.is_empty() { Err(Fault::NotFound("product")) } else { Ok(versions) }
    }

    /// Adds or changes a product, and puts it in force at all gates.
    pub(crate) async fn put(
        &self,
        change: ProductChange,
        actor: &str,
    ) -> Result<(ProductView, ProductChanged), Fault> {
        let ProductChange { definition, reason, seen } = change;
        self.park.now().check_product(&definition).map_err(|faults| invalid(&faults))?;
        let mut rows = self.rows.lock().await;
        let id = definition.id.clone();
        let latest = rows.iter().rfind(|row| row.definition.id == id);
        let version = latest.map_or(0, |row| row.version);
        if seen.is_some_and(|seen| seen != version) {
            return Err(Fault::Conflict(match version {
                0 => format!("there is no product {id} yet: leave out If-Match"),
                now => format!("product {id} is at version {now} now: read it and try again"),
            }));
        }
        if let Some(row) = latest.filter(|row| same(&row.definition, &definition) && !row.dropped) {
            return Ok((view(row), ProductChanged::Unchanged));
        }
        if definition.applies_to_sold {
            fits_all_sold(&rows, &definition)?;
        }
        if VERSIONS_MAX <= rows.len() {
            let most =
                format!("there are {VERSIONS_MAX} versions of products, the most there can be");
            return Err(Fault::Conflict(most));
        }
        let now = self.clock.now();
        let row = ProductRow {
            version: version + 1,
            definition,
            origin: Origin::Api,
            dropped: false,
            at: now,
            actor: actor.to_owned(),
            reason,
        };
        let mut after = rows.clone();
        after.push(row.clone());
        // With many versions that takes its time: not on a thread that others wait for.
        let place = Arc::clone(&self.place);
        let compiled = tokio::task::spawn_blocking(move || (compile(&place, &after), after));
        let (park, after) = compiled.await.map_err(|error| Fault::Internal(error.to_string()))?;
        let park = park?;
        let shown = view(&row);
        let audit = audit(&row, now);
        let record = Record::Product { n: rows.len(), row: Box::new(row), audit };
        commit(&*self.ledger, record).await.map_err(fault)?;
        *rows = after;
        self.park.put(Arc::new(park));
        let what = if version == 0 { ProductChanged::Added } else { ProductChanged::Changed };
        Ok((shown, what))
    }
}

/// Makes the park of a place and the versions of what is sold there.
pub(crate) fn compile(place: &ParkDefinition, rows: &[ProductRow]) -> Result<Park, Fault> {
    Park::compile_versions(place, &versions(rows)).map_err(|faults| invalid(&faults))
}

/// Brings the configuration's products among the versions that are kept.
///
/// A product of the configuration gets a new version only where the configuration has changed
/// since it was last read: what was changed through the API in between stays in force. One that
/// the configuration no longer names is dropped, unless the API has taken it over.
pub(crate) fn settle(
    rows: &mut Vec<ProductRow>,
    config: &[ProductDefinition],
    now: UnixMs,
) -> Result<(), Fault> {
    for definition in config {
        let of_this = |row: &&ProductRow| row.definition.id == definition.id;
        let told_before = rows.iter().filter(of_this).rfind(|row| row.origin == Origin::Config);
        if told_before.is_some_and(|row| row.definition == *definition) {
            continue;
        }
        if definition.applies_to_sold {
            fits_all_sold(rows, definition)?;
        }
        rows.push(ProductRow {
            version: 1 + rows.iter().rfind(of_this).map_or(0, |row| row.version),
            definition: definition.clone(),
            origin: Origin::Config,
            dropped: false,
            at: now,
            actor: "config".to_owned(),
            reason: String::new(),
        });
    }
    for row in rows {
        let named = config.iter().any(|definition| definition.id == row.definition.id);
        row.dropped = row.origin == Origin::Config && !named;
    }
    Ok(())
}

fn fits_all_sold(rows: &[ProductRow], new: &ProductDefinition) -> Result<(), Fault> {
    for row in rows.iter().filter(|row| row.definition.id == new.id) {
        check_for_sold(&row.definition, new).map_err(|faults| {
            let (id, version, faults) = (&new.id, row.version, lines(&faults));
            Fault::Invalid(format!("applies_to_sold: product {id}, version {version}:\n{faults}"))
        })?;
    }
    Ok(())
}

/// The versions as the rules take them: what decides a version's tickets is the newest later
/// definition that is also for tickets sold, or its own.
fn versions(rows: &[ProductRow]) -> Vec<ProductVersion> {
    // From the newest on: for each product that was met the definition that is for all before it.
    let mut later: HashMap<&str, Option<&ProductDefinition>> = HashMap::new();
    let each = rows.iter().rev().map(|row| {
        let own = &row.definition;
        let met = later.get(own.id.as_str()).copied();
        let for_all = met.flatten().or_else(|| own.applies_to_sold.then_some(own));
        later.insert(&own.id, for_all);
        ProductVersion {
            definition: met.flatten().unwrap_or(own).clone(),
            sold_for: ProductVersion::areas(own),
            version: row.version,
            on_sale: met.is_none() && own.on_sale && !row.dropped,
        }
    });
    let mut versions: Vec<ProductVersion> = each.collect();
    versions.reverse();
    versions
}

/// Whether two definitions say the same; a missing name is the id.
fn same(one: &ProductDefinition, other: &ProductDefinition) -> bool {
    let named = |one: &ProductDefinition| {
        let name = Some(Text::or_id(one.name.as_ref(), &one.id));
        ProductDefinition { name, ..one.clone() }
    };
    named(one) == named(other)
}

/// A product by its latest version.
fn view(latest: &ProductRow) -> ProductView {
    ProductView {
        definition: latest.definition.clone(),
        version: latest.version,
        on_sale: latest.definition.on_sale && !latest.dropped,
    }
}

fn version(row: &ProductRow) -> VersionView {
    VersionView {
        version: row.version,
        at: row.at,
        actor: row.actor.clone(),
        reason: row.reason.clone(),
        applies_to_sold: row.definition.applies_to_sold,
        definition: row.definition.clone(),
    }
}

fn audit(row: &ProductRow, at: UnixMs) -> AuditLine {
    let sold = if row.definition.applies_to_sold { ", also for tickets sold before" } else { "" };
    AuditLine {
        at,
        actor: row.actor.clone(),
        action: "product.put".into(),
        target: row.definition.id.clone(),
        note: format!("version {}{sold}: {}", row.version, row.reason),
    }
}

/// Products on sale for areas or gates that the configuration no longer has: somebody has to look.
pub(crate) fn warn_of_orphans(rows: &[ProductRow], config: &ParkDefinition) {
    for (row, version) in rows.iter().zip(versions(rows)).filter(|(_, version)| version.on_sale) {
        let mut areas = version.sold_for.iter();
        let gone = areas.find(|id| !config.areas.iter().any(|area| area.id == **id));
        if let Some(area) = gone {
            let product = &row.definition.id;
            tracing::warn!(%product, %area, "a product is on sale for an area that is no longer configured");
        }
    }
}

/// All faults of a definition, one a line.
pub(crate) fn invalid(faults: &[shanmen_rules::Fault]) -> Fault {
    Fault::Invalid(lines(faults))
}

fn lines(faults: &[shanmen_rules::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The numbers of all versions of the products whose class is asked for.
pub(crate) fn numbers_of(park: &Park, wanted: impl Fn(&str) -> bool) -> Vec<u16> {
    let each = (0u16..).zip(park.products());
    each.filter(|(_, product)| wanted(product.class.as_str()))
        .map(|(n, _)| ProductIx(n).0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(json: &str) -> ProductDefinition {
        serde_json::from_str(&format!("{{\"id\": \"p\"{json}}}")).unwrap()
    }

    fn row(version: u32, json: &str) -> ProductRow {
        ProductRow {
            version,
            definition: definition(json),
            origin: Origin::Api,
            dropped: false,
            at: UnixMs(0),
            actor: "a".into(),
            reason: String::new(),
        }
    }

    fn hours(rows: &[ProductRow]) -> Vec<usize> {
        versions(rows).iter().map(|one| one.definition.daily_hours.len()).collect()
    }

    #[test]
    fn a_ticket_keeps_its_terms_unless_a_later_version_says_that_it_is_for_all() {
        let plain = "";
        let one = r#", "daily_hours": [{"from": "08:00", "until": "17:00"}]"#;
        let for_all = r#", "applies_to_sold": true, "daily_hours":
            [{"from": "08:00", "until": "12:00"}, {"from": "13:00", "until": "17:00"}]"#;
        assert_eq!(hours(&[row(1, plain), row(2, one)]), [0, 1]);
        assert_eq!(hours(&[row(1, plain), row(2, one), row(3, for_all)]), [2, 2, 2]);
        assert_eq!(hours(&[row(1, plain), row(2, for_all), row(3, one)]), [2, 2, 1]);
        let on_sale: Vec<bool> =
            versions(&[row(1, plain), row(2, one)]).iter().map(|one| one.on_sale).collect();
        assert_eq!(on_sale, [false, true]);
    }

    #[test]
    fn the_configuration_makes_a_version_only_where_it_has_changed_since_it_was_read() {
        let (old, new) = (definition(""), definition(r#", "weekdays": ["mon"]"#));
        let now = UnixMs(7);
        let mut rows = Vec::new();
        settle(&mut rows, std::slice::from_ref(&old), now).unwrap();
        settle(&mut rows, std::slice::from_ref(&old), now).unwrap();
        assert_eq!(rows.len(), 1);
        // Changed by a person while the program ran: the same file does not undo it.
        rows.push(row(2, r#", "weekdays": ["sun"]"#));
        settle(&mut rows, std::slice::from_ref(&old), now).unwrap();
        assert_eq!(rows.len(), 2);
        // The file changed: it is the newest word.
        settle(&mut rows, std::slice::from_ref(&new), now).unwrap();
        assert_eq!((rows.len(), rows[2].version), (3, 3));
        assert_eq!(rows[2].definition, new);
        // Gone from the file: no longer sold, and sold again when it comes back.
        settle(&mut rows, &[], now).unwrap();
        assert!(rows[2].dropped && !versions(&rows)[2].on_sale);
        settle(&mut rows, std::slice::from_ref(&new), now).unwrap();
        assert_eq!(rows.len(), 3);
        assert!(versions(&rows)[2].on_sale);
    }

    #[test]
    fn a_file_that_asks_of_sold_tickets_what_they_lack_is_refused() {
        let mut rows = Vec::new();
        let old = definition(r#", "validity": {"kind": "days_from_issue", "days": 3}"#);
        settle(&mut rows, &[old], UnixMs(0)).unwrap();
        let dated = definition(r#", "applies_to_sold": true"#);
        let refused = settle(&mut rows, &[dated], UnixMs(0)).unwrap_err().to_string();
        assert!(refused.contains("validity") && refused.contains("version 1"), "{refused}");
        assert_eq!(rows.len(), 1);
    }
}
