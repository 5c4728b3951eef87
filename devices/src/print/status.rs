//! What a printer says of itself, whatever its language.
//!
//! The languages read it from a printer's answers; [`super::driver`] asks for it before a job and
//! between jobs.

/// What a printer says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a lamp of its own")]
pub struct Status {
    /// It cannot print now, whatever the reason.
    pub offline: bool,
    /// The cover or the head is open.
    pub cover_open: bool,
    /// There is no paper.
    pub no_paper: bool,
    /// The paper runs out soon.
    pub low_paper: bool,
    /// The cutter or something else has failed.
    pub fault: bool,
}

impl Status {
    /// Why nothing can be printed, in a word; none when it can.
    pub fn obstacle(&self) -> Option<&'static str> {
        [
            (self.cover_open, "cover_open"),
            (self.no_paper, "no_paper"),
            (self.fault, "fault"),
            (self.offline, "offline"),
        ]
        .into_iter()
        .find_map(|(is, word)| is.then_some(word))
    }
}
