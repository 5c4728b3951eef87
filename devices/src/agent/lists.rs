//! The lists that a device holds, and how a new version comes: by a change, or fetched whole.
//!
//! Pure: manifests and chunks go in, what has to be asked or kept comes out. A version is in force
//! only when the SHA-256 of all its lines is the one that was announced; until then the one before
//! stays. A change (`add`, `remove`) is taken when the version that it changes is held, else the
//! whole list is fetched, one chunk at a time. A name that the device does not want is ignored. The
//! agent calls it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use shanmen_protocols::device::{ListChunk, ListDown, What};
use tracing::warn;

use crate::storage::{KeptList, Write};

/// The longest list that is taken, in bytes.
pub const LIST_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The most chunks of one list that may turn out unusable before it is left for later.
const FAULTS_MAX: u8 = 3;

/// A list on its way.
#[derive(Clone, Debug)]
struct Fetch {
    name: String,
    version: u64,
    sha256: String,
    bytes: u64,
    got: Vec<u8>,
    faults: u8,
}

/// What has to be done about the lists.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask this.
    Ask(What),
    /// This list is in force now: keep it, report it.
    Swapped(String),
    /// Nothing changed, but the control plane wants to know what is held.
    Report,
    /// Nothing.
    Nothing,
}

/// The lists of a device.
#[derive(Clone, Debug)]
pub struct Lists {
    wanted: &'static [&'static str],
    held: BTreeMap<String, KeptList>,
    /// Announced and not yet begun.
    waiting: BTreeMap<String, ListDown>,
    fetch: Option<Fetch>,
}

impl Lists {
    /// The lists that a storage held, of those that the device wants.
    pub fn new(wanted: &'static [&'static str], mut held: BTreeMap<String, KeptList>) -> Self {
        held.retain(|name, _| wanted.contains(&name.as_str()));
        Self { wanted, held, waiting: BTreeMap::new(), fetch: None }
    }

    /// A list in force.
    pub fn get(&self, name: &str) -> Option<&KeptList> {
        self.held.get(name)
    }

    /// Whether no newer version is known of.
    pub fn are_current(&self) -> bool {
        self.fetch.is_none() && self.waiting.is_empty()
    }

    /// The versions in force.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        self.held.iter().map(|(name, list)| (name.clone(), list.version)).collect()
    }

    /// The write that keeps a list which is in force.
    pub fn write(&self, name: &str) -> Option<Write> {
        let list = self.held.get(name)?.clone();
        Some(Write::List { name: name.to_owned(), list })
    }

    /// A version was announced.
    pub fn announced(&mut self, list: ListDown) -> Step {
        if !self.wanted.contains(&list.name.as_str()) {
            return Step::Nothing;
        }
        if LIST_MAX_BYTES < list.bytes {
            warn!(list = list.name, bytes = list.bytes, "list is too long for this device");
            return Step::Report;
        }
        if let Some(held) = self.held.get(&list.name) {
            if held.version == list.version && held.sha256.eq_ignore_ascii_case(&list.sha256) {
                self.waiting.remove(&list.name);
                return Step::Report;
            }
            if list.base == Some(held.version)
                && let Some(text) = changed(&held.text, &list)
            {
                return self.swap(list.name, list.version, list.sha256, text);
            }
        }
        self.waiting.insert(list.name.clone(), ListDown { add: vec![], remove: vec![], ..list });
        self.go_on()
    }

    /// Begins with the next list, unless one is on its way.
    pub fn go_on(&mut self) -> Step {
        if let Some(fetch) = &self.fetch {
            // A newer version of it was announced meanwhile: the one on its way is of no use.
            let newer = self.waiting.get(&fetch.name).is_some_and(|l| l.version != fetch.version);
            if !newer {
                return Step::Nothing;
            }
        }
        let Some((name, list)) = self.waiting.pop_first() else { return Step::Nothing };
        self.fetch = Some(Fetch {
            name,
            version: list.version,
            sha256: list.sha256,
            bytes: list.bytes,
            got: Vec::new(),
            faults: 0,
        });
        self.ask()
    }

    fn ask(&self) -> Step {
        self.fetch.as_ref().map_or(Step::Nothing, |fetch| {
            Step::Ask(What::List {
                name: fetch.name.clone(),
                offset: u64::try_from(fetch.got.len()).unwrap_or(u64::MAX),
                version: Some(fetch.version),
            })
        })
    }

    /// The answer to the question of this list came: a chunk, or nothing usable.
    pub fn chunk(&mut self, chunk: Option<ListChunk>) -> Step {
        let Some(fetch) = &mut self.fetch else { return Step::Nothing };
        let at = u64::try_from(fetch.got.len()).unwrap_or(u64::MAX);
        let data = chunk.filter(|chunk| {
            chunk.name == fetch.name && chunk.version == fetch.version && chunk.offset == at
        });
        let data = data.and_then(|chunk| BASE64.decode(chunk.data.as_bytes()).ok());
        let room = usize::try_from(fetch.bytes - at).unwrap_or(usize::MAX);
        match data {
            Some(data) if data.len() <= room && (room == 0 || !data.is_empty()) => {
                fetch.got.extend_from_slice(&data);
                if data.len() < room {
                    return self.ask();
                }
                self.fetched()
            }
            _ => self.fault("a chunk does not fit"),
        }
    }

    fn fetched(&mut self) -> Step {
        let Some(fetch) = self.fetch.take() else { return Step::Nothing };
        let text = String::from_utf8(fetch.got).ok();
        if let Some(text) = text.filter(|text| sha256(text).eq_ignore_ascii_case(&fetch.sha256)) {
            return self.swap(fetch.name, fetch.version, fetch.sha256, text);
        }
        self.fetch = Some(Fetch { got: Vec::new(), ..fetch });
        self.fault("its SHA-256 is another one")
    }

    fn fault(&mut self, why: &'static str) -> Step {
        let Some(fetch) = &mut self.fetch else { return Step::Nothing };
        fetch.faults += 1;
        fetch.got.clear();
        warn!(list = fetch.name, version = fetch.version, why, "list not fetched");
        if fetch.faults < FAULTS_MAX {
            return self.ask();
        }
        self.give_up()
    }

    /// The list on its way is left until it is announced again; the next one begins.
    pub fn give_up(&mut self) -> Step {
        self.fetch = None;
        match self.go_on() {
            Step::Nothing => Step::Report,
            step => step,
        }
    }

    /// Nothing more is asked until lists are announced again.
    pub fn abandon(&mut self) {
        self.fetch = None;
        self.waiting.clear();
    }

    fn swap(&mut self, name: String, version: u64, sha256: String, text: String) -> Step {
        self.waiting.remove(&name);
        if self.fetch.as_ref().is_some_and(|fetch| fetch.name == name) {
            self.fetch = None;
        }
        self.held.insert(name.clone(), KeptList { version, sha256, text: Arc::from(text) });
        Step::Swapped(name)
    }
}

/// SHA-256 of a list's text, in hex.
pub fn sha256(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The text after a change, when its digest is the announced one.
fn changed(text: &str, list: &ListDown) -> Option<String> {
    let mut lines: BTreeSet<&str> = text.lines().collect();
    for line in &list.remove {
        lines.remove(line.as_str());
    }
    lines.extend(list.add.iter().map(String::as_str));
    let mut changed = lines.into_iter().collect::<Vec<_>>().join("\n");
    // Lists end with a line break, or without one: the digest tells which.
    if !changed.is_empty() {
        changed.push('\n');
        if sha256(&changed).eq_ignore_ascii_case(&list.sha256) {
            return Some(changed);
        }
        changed.pop();
    }
    sha256(&changed).eq_ignore_ascii_case(&list.sha256).then_some(changed)
}

#[cfg(test)]
#[path = "lists/tests.rs"]
mod tests;
