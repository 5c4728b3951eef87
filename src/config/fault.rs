//! Faults of a configuration: what, where, and how to mend it; all of them at once.

use std::fmt;

/// Where a fault is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file: line and column, both from 1; the column counts characters.
    At(usize, usize),
    /// In an environment variable or on the command line, by name.
    Outside(String),
    /// Of the file as a whole.
    Whole,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// All faults of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    /// The file, as it was named.
    pub file: String,
    /// The faults, in the order of their places.
    pub list: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (ix, fault) in self.list.iter().enumerate() {
            if ix > 0 {
                f.write_str("\n")?;
            }
            match &fault.place {
                Place::At(line, column) => write!(f, "{}:{line}:{column}: ", self.file)?,
                Place::Outside(name) => write!(f, "{name}: ")?,
                Place::Whole => write!(f, "{}: ", self.file)?,
            }
            f.write_str(&fault.problem)?;
            if !fault.hint.is_empty() {
                write!(f, "\n    fix: {}", fault.hint)?;
            }
        }
        Ok(())
    }
}
