//! Questions that wait for their answer: bounded, sent again under the same id, given up in the end.
//!
//! Pure: time is an argument. The same id gets the same answer, so that a second sending does no
//! harm. A question outlives a broken connection and goes out again after the next hello. The
//! agent calls it.

use shanmen_protocols::{
    device::{Request, What},
    ids::RequestId,
    time::TimeBlock,
};

/// Questions that wait at once; one more is not asked.
pub const REQUESTS_MAX: usize = 16;

/// How long an answer may take before the question goes out again, in milliseconds.
pub const RESPONSE_TIMEOUT_MS: u64 = 3_000;

/// How often a question goes out before it is given up.
pub const SENDS_MAX: u32 = 3;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The control plane did not answer in time, or is out of reach.
    #[error("no answer within {} s", RESPONSE_TIMEOUT_MS * u64::from(SENDS_MAX) / 1_000)]
    TimedOut,
    /// Too many questions wait already.
    #[error("{REQUESTS_MAX} questions wait already")]
    TooMany,
}

#[derive(Clone, Debug)]
struct Pending {
    request: Request,
    sends: u32,
    again_at_ms: u64,
}

/// The questions under way.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    pending: Vec<Pending>,
}

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// It goes out again.
    Send(Request),
    /// It is given up.
    GivenUp(RequestId),
}

impl Requests {
    /// Asks; the request is to be sent now.
    ///
    /// # Errors
    /// [`NoAnswer::TooMany`]: it is not asked.
    pub fn ask(&mut self, what: What, time: TimeBlock, now_ms: u64) -> Result<Request, NoAnswer> {
        if REQUESTS_MAX <= self.pending.len() {
            return Err(NoAnswer::TooMany);
        }
        let request = Request { time, id: RequestId::fresh(), what };
        let again_at_ms = now_ms + RESPONSE_TIMEOUT_MS;
        self.pending.push(Pending { request: request.clone(), sends: 1, again_at_ms });
        Ok(request)
    }

    /// An answer came; false when nobody waits for it.
    pub fn answered(&mut self, id: RequestId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.request.id != id);
        self.pending.len() < before
    }

    /// The control plane is in reach again: all that wait go out once more.
    pub fn resume(&mut self, now_ms: u64) -> Vec<Request> {
        let each = self.pending.iter_mut().map(|pending| {
            pending.again_at_ms = now_ms + RESPONSE_TIMEOUT_MS;
            pending.request.clone()
        });
        each.collect()
    }

    /// When [`Requests::due`] has something, in milliseconds since boot.
    pub fn wake_at_ms(&self) -> Option<u64> {
        self.pending.iter().map(|pending| pending.again_at_ms).min()
    }

    /// What is due now.
    pub fn due(&mut self, now_ms: u64) -> Vec<Due> {
        let mut due = Vec::new();
        self.pending.retain_mut(|pending| {
            if now_ms < pending.again_at_ms {
                return true;
            }
            if pending.sends == SENDS_MAX {
                due.push(Due::GivenUp(pending.request.id));
                return false;
            }
            pending.sends += 1;
            pending.again_at_ms = now_ms + RESPONSE_TIMEOUT_MS;
            due.push(Due::Send(pending.request.clone()));
            true
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(requests: &mut Requests, now_ms: u64) -> Request {
        requests.ask(What::Time, TimeBlock::default(), now_ms).unwrap()
    }

    #[test]
    fn an_unanswered_question_goes_out_again_under_its_id_and_is_given_up_in_the_end() {
        let mut requests = Requests::default();
        let request = ask(&mut requests, 0);
        assert_eq!(requests.due(RESPONSE_TIMEOUT_MS - 1), []);
        assert_eq!(requests.due(RESPONSE_TIMEOUT_MS), [Due::Send(request.clone())]);
        assert_eq!(requests.due(2 * RESPONSE_TIMEOUT_MS), [Due::Send(request.clone())]);
        assert_eq!(requests.due(3 * RESPONSE_TIMEOUT_MS), [Due::GivenUp(request.id)]);
        assert_eq!(requests.wake_at_ms(), None);
    }

    #[test]
    fn an_answer_counts_once() {
        let mut requests = Requests::default();
        let request = ask(&mut requests, 0);
        assert!(requests.answered(request.id));
        assert!(!requests.answered(request.id));
        assert_eq!(requests.due(u64::MAX), []);
    }

    #[test]
    fn after_an_outage_what_waits_goes_out_again() {
        let mut requests = Requests::default();
        let request = ask(&mut requests, 0);
        assert_eq!(requests.resume(2_000), [request]);
        assert_eq!(requests.due(RESPONSE_TIMEOUT_MS), []);
    }

    #[test]
    fn questions_are_bounded() {
        let mut requests = Requests::default();
        for _ in 0..REQUESTS_MAX {
            ask(&mut requests, 0);
        }
        let one_more = requests.ask(What::Time, TimeBlock::default(), 0);
        assert_eq!(one_more.unwrap_err(), NoAnswer::TooMany);
    }
}
