//! Which program is in force, which is on trial, and which was before.
//!
//! [`FileSlot`] keeps them in one folder: `current` is a link to the program in force, `previous` to
//! the one before; `trial.json` says that `current` has not confirmed itself, `failed.json` that it
//! was taken back. Whatever starts the device starts `current`. Each change is one rename, so that a
//! power cut leaves the old or the new, never neither.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use shanmen_protocols::ids::CommandId;

use super::STARTS_MAX;

/// How the program in force stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Confirmed.
    InForce,
    /// On trial, for this order.
    OnTrial(CommandId),
    /// Of this order the program was taken back: say so.
    TakenBack(CommandId),
}

/// Where programs are kept.
pub trait FirmwareSlot: Send {
    /// The device has started: how does its program stand? Asked once.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    fn started(&mut self) -> io::Result<Standing>;

    /// Where a program of this version is to be written.
    ///
    /// # Errors
    /// The version is no name, or the program in force is still on trial.
    fn place_for(&mut self, version: &str) -> io::Result<PathBuf>;

    /// Puts what was written there in force, on trial.
    ///
    /// # Errors
    /// Nothing has changed.
    fn switch(&mut self, version: &str, order: CommandId) -> io::Result<()>;

    /// The program in force works: it stays.
    ///
    /// # Errors
    /// It is still on trial.
    fn confirm(&mut self) -> io::Result<()>;

    /// Puts the one before back in force.
    ///
    /// # Errors
    /// Nothing has changed.
    fn take_back(&mut self) -> io::Result<()>;

    /// That a program was taken back is told.
    ///
    /// # Errors
    /// It will be told again.
    fn told(&mut self) -> io::Result<()>;
}

#[derive(Serialize, Deserialize)]
struct Trial {
    order: CommandId,
    /// The file that is on trial.
    program: String,
    starts: u32,
}

/// Programs as files of one folder.
#[derive(Clone, Debug)]
pub struct FileSlot {
    folder: PathBuf,
}

impl FileSlot {
    /// In this folder, which is made where there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The program in force is about to be started: counted while it is on trial, and taken back
    /// when it has died too often. Whoever starts it calls this before each start; the program
    /// itself may be too broken for it. What is to be started.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn starting(&mut self) -> io::Result<PathBuf> {
        match self.read("trial.json") {
            Some(trial) if STARTS_MAX <= trial.starts => self.take_back()?,
            Some(trial) => {
                self.write("trial.json", &Trial { starts: trial.starts + 1, ..trial })?;
            }
            None => {}
        }
        Ok(self.at("current"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> Option<Trial> {
        serde_json::from_str(&fs::read_to_string(self.at(name)).ok()?).ok()
    }

    /// Writes a file whole, by a rename, and waits for the disk.
    fn write(&self, name: &str, trial: &Trial) -> io::Result<()> {
        let beside = self.at(&format!("{name}.new"));
        fs::write(&beside, serde_json::to_string(trial)?)?;
        fs::File::open(&beside)?.sync_all()?;
        fs::rename(beside, self.at(name))?;
        self.sync()
    }

    fn is_current(&self, program: &str) -> bool {
        fs::read_link(self.at("current")).is_ok_and(|now| now == Path::new(program))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.at(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => self.sync(),
        }
    }

    fn link(&self, name: &str, to: &Path) -> io::Result<()> {
        let beside = self.at(&format!("{name}.new"));
        self.remove(&format!("{name}.new"))?;
        symlink(to, &beside)?;
        fs::rename(beside, self.at(name))?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.folder)?.sync_all()
    }
}

fn file_of(version: &str) -> io::Result<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    if version.is_empty() || 64 < version.len() || !version.chars().all(is_name) {
        return Err(io::Error::other("version: 1 to 64 of letters, digits and . _ + - are wanted"));
    }
    Ok(format!("program-{version}"))
}

impl FirmwareSlot for FileSlot {
    fn started(&mut self) -> io::Result<Standing> {
        if let Some(trial) = self.read("trial.json") {
            if !self.is_current(&trial.program) {
                // A power cut in the middle of the switch, or of taking it back.
                self.write("failed.json", &trial)?;
                self.remove("trial.json")?;
                return Ok(Standing::TakenBack(trial.order));
            }
            return Ok(Standing::OnTrial(trial.order));
        }
        let failed = self.read("failed.json");
        Ok(failed.map_or(Standing::InForce, |failed| Standing::TakenBack(failed.order)))
    }

    fn place_for(&mut self, version: &str) -> io::Result<PathBuf> {
        if self.at("trial.json").exists() {
            return Err(io::Error::other("the program in force is still on trial"));
        }
        let file = file_of(version)?;
        if self.is_current(&file) {
            return Err(io::Error::other("this version is in force"));
        }
        Ok(self.at(&file))
    }

    fn switch(&mut self, version: &str, order: CommandId) -> io::Result<()> {
        let before = fs::read_link(self.at("current"))?;
        self.link("previous", &before)?;
        // On trial before it is in force: a power cut in between takes back what is there.
        let program = file_of(version)?;
        self.write("trial.json", &Trial { order, program: program.clone(), starts: 0 })?;
        self.link("current", Path::new(&program))
    }

    fn confirm(&mut self) -> io::Result<()> {
        self.remove("trial.json")
    }

    fn take_back(&mut self) -> io::Result<()> {
        let before = fs::read_link(self.at("previous"))?;
        self.link("current", &before)?;
        if let Some(trial) = self.read("trial.json") {
            self.write("failed.json", &trial)?;
        }
        self.remove("trial.json")
    }

    fn told(&mut self) -> io::Result<()> {
        self.remove("failed.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        _folder: tempfile::TempDir,
        slot: FileSlot,
        order: CommandId,
    }

    /// Version 1 in force, version 2 written and switched to.
    fn switched() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut slot = FileSlot::new(folder.path().join("firmware")).unwrap();
        symlink("program-1", slot.at("current")).unwrap();
        assert_eq!(slot.started().unwrap(), Standing::InForce);
        fs::write(slot.place_for("2").unwrap(), "two").unwrap();
        let order = CommandId::fresh();
        slot.switch("2", order).unwrap();
        Bench { _folder: folder, slot, order }
    }

    fn current(slot: &FileSlot) -> PathBuf {
        fs::read_link(slot.at("current")).unwrap()
    }

    #[test]
    fn a_program_that_confirms_itself_stays() {
        let mut bench = switched();
        assert_eq!(current(&bench.slot), Path::new("program-2"));
        assert_eq!(bench.slot.started().unwrap(), Standing::OnTrial(bench.order));
        assert!(bench.slot.place_for("3").is_err(), "not while one is on trial");
        bench.slot.confirm().unwrap();
        assert_eq!(bench.slot.started().unwrap(), Standing::InForce);
        assert!(bench.slot.place_for("3").is_ok() && bench.slot.place_for("2").is_err());
    }

    #[test]
    fn a_program_that_dies_again_and_again_is_taken_back() {
        let mut bench = switched();
        for _ in 0..STARTS_MAX {
            bench.slot.starting().unwrap();
            assert_eq!(bench.slot.started().unwrap(), Standing::OnTrial(bench.order));
        }
        bench.slot.starting().unwrap();
        assert_eq!(current(&bench.slot), Path::new("program-1"));
        assert_eq!(bench.slot.started().unwrap(), Standing::TakenBack(bench.order));
        bench.slot.told().unwrap();
        assert_eq!(bench.slot.started().unwrap(), Standing::InForce);
    }

    #[test]
    fn a_program_that_is_not_accepted_in_time_is_taken_back() {
        let mut bench = switched();
        bench.slot.started().unwrap();
        bench.slot.take_back().unwrap();
        assert_eq!(current(&bench.slot), Path::new("program-1"));
        assert_eq!(bench.slot.started().unwrap(), Standing::TakenBack(bench.order));
    }

    #[test]
    fn a_power_cut_in_the_middle_of_the_switch_leaves_the_old_one_and_says_so() {
        let mut bench = switched();
        bench.slot.link("current", Path::new("program-1")).unwrap();
        assert_eq!(bench.slot.started().unwrap(), Standing::TakenBack(bench.order));
    }

    #[test]
    fn a_version_is_no_path() {
        let mut bench = switched();
        bench.slot.confirm().unwrap();
        for version in ["", "../../bin/sh", "a b", "1/2"] {
            assert!(bench.slot.place_for(version).is_err(), "{version}");
        }
    }
}
