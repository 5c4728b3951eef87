//! What a device asks: each request is answered once, and a repeat gets the same answer.
//!
//! The twin only keeps the answers; the work is done beside it, by whom the composition has set up
//! for it (`plane/devices.rs`).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::Addr;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{Down, ListDown, Request, Response, ResponseStatus, What},
    ids::RequestId,
};

use super::{Back, Twin, tell};
use crate::{
    api::{DeviceStanding, Fault},
    ledger::DeviceRow,
    link::Qos,
};

/// How many answers are kept for a repeat.
const ANSWERS_KEPT: usize = 32;
/// How many requests of one device may be at work.
const AT_WORK_MAX: usize = 8;
/// How long an answer is worth anything.
pub(super) const RESPONSE_TTL: Duration = Duration::from_secs(30);

/// Who knows the answers.
pub(crate) trait Answers: Send + Sync {
    /// Answers a request of an approved device: the response's body.
    fn answer(&self, device: DeviceRow, what: What) -> BoxFuture<'_, Result<Body, Fault>>;

    /// Whose token an operator's is; `unknown` for any other text, which may be a token gone by.
    fn who(&self, operator: &str) -> String;

    /// What is to be told of the lists to a device that decides by them.
    fn lists(&self) -> BoxFuture<'_, Vec<ListDown>>;
}

/// The body of a response.
pub(crate) type Body = Map<String, Value>;

/// Requests under way, and the newest answers.
#[derive(Default)]
pub(super) struct Asked {
    answers: HashMap<RequestId, Option<Response>>,
    order: VecDeque<RequestId>,
    at_work: usize,
}

impl Twin {
    /// Takes a request.
    pub(super) fn request(&mut self, request: Request, me: &Addr<Self>) {
        let Request { id, what, .. } = request;
        match self.asked.answers.get(&id) {
            Some(Some(response)) => return self.respond(response.clone()),
            Some(None) => return,
            None => {}
        }
        let refuse = |status, reason: &str| Response {
            id,
            status,
            reason: Some(reason.to_owned()),
            body: Map::new(),
        };
        if self.core.device.standing() != DeviceStanding::Approved {
            let why = "the device is not approved";
            return self.respond(refuse(ResponseStatus::Forbidden, why));
        }
        if AT_WORK_MAX <= self.asked.at_work {
            metrics::counter!("shanmen_requests_refused_total").increment(1);
            return self.respond(refuse(ResponseStatus::Busy, "too many requests at once"));
        }
        let Some(answers) = self.shared.answers.get().map(Arc::clone) else {
            return self.respond(refuse(ResponseStatus::Busy, "the program is starting"));
        };
        metrics::counter!("shanmen_requests_total", "what" => what.as_str()).increment(1);
        // A part of a list is as large as it is easily read again.
        let kept = !matches!(what, What::List { .. } | What::Time);
        self.asked.at_work += 1;
        if kept {
            self.asked.answers.insert(id, None);
            self.asked.order.push_back(id);
            self.forget();
        }
        let (device, me) = (self.core.device.row(), me.clone());
        actix::spawn(async move {
            let response = response(id, answers.answer((*device).clone(), what).await);
            tell(&me, Back::Responded(Box::new(response), kept)).await;
        });
    }

    /// The answer is there.
    pub(super) fn responded(&mut self, response: Response, kept: bool) {
        self.asked.at_work = self.asked.at_work.saturating_sub(1);
        if kept {
            // What could not be done now is asked anew by a repeat.
            let final_ = !matches!(response.status, ResponseStatus::Busy | ResponseStatus::Failed);
            if let Some(slot) = self.asked.answers.get_mut(&response.id) {
                *slot = final_.then(|| response.clone());
            }
            if !final_ {
                self.asked.answers.remove(&response.id);
            }
        }
        self.respond(response);
    }

    fn respond(&self, response: Response) {
        let (shared, down) = (Arc::clone(&self.shared), Arc::clone(&self.down));
        actix::spawn(async move {
            shared.send(&down, &Down::Response(response), Qos::One, RESPONSE_TTL).await;
        });
    }

    fn forget(&mut self) {
        while self.asked.order.len() > ANSWERS_KEPT {
            if let Some(oldest) = self.asked.order.pop_front() {
                self.asked.answers.remove(&oldest);
            }
        }
    }
}

fn response(id: RequestId, result: Result<Body, Fault>) -> Response {
    let (status, reason, body) = match result {
        Ok(body) => (ResponseStatus::Ok, None, body),
        Err(fault) => {
            let status = match &fault {
                Fault::Invalid(_) => ResponseStatus::Invalid,
                Fault::NotFound(_) => ResponseStatus::NotFound,
                Fault::Forbidden(_) => ResponseStatus::Forbidden,
                Fault::Conflict(_) => ResponseStatus::Conflict,
                Fault::Busy(_) => ResponseStatus::Busy,
                Fault::Internal(why) => {
                    tracing::error!(why, "a device's request failed");
                    ResponseStatus::Failed
                }
            };
            let told = match fault {
                Fault::Internal(_) => "the control plane failed; its log says why".to_owned(),
                fault => fault.to_string(),
            };
            (status, Some(told), Map::new())
        }
    };
    Response { id, status, reason, body }
}
