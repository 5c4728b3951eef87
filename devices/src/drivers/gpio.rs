//! Inputs on the pins of the machine, through the kernel's GPIO character device: light barriers,
//! the fire input, the contact of the housing.
//!
//! ```toml
//! [hardware.sensor]
//! driver = "gpio"
//! chip = "/dev/gpiochip0"
//! beam_a = 17             # the line of the light barrier on the outer side
//! beam_b = 27             # the one on the inner side
//! fire = 22               # the fire input; may be left out, like all that follow
//! climb = 23              # who climbs over
//! jam = 24                # the motor's report
//! tamper = 25             # the housing's contact
//! active_low = false      # true where a broken beam and the others pull their lines down
//! debounce_ms = 10        # done by the kernel
//! bias = "as-is"          # as-is, pull-up, pull-down, disabled
//! ```
//!
//! A chip that is not there is a fault until it is. What is active when it is opened is told at
//! once: a fire does not wait for an edge. What the signals mean is the lane's judgement.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use gpiocdev::{
    Request,
    line::{Bias, EdgeDetection, EdgeKind, Offset, Value},
    tokio::AsyncRequest,
};
use tokio::{sync::mpsc, time::sleep};
use tracing::warn;

use super::{
    backoff::Backoff,
    fault::Fault,
    section::{ConfigError, Section},
    sensor::{SIGNALS_MAX, Sensing},
};
use crate::hardware::{Beam, Signal};

/// What is wired to a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Beam(Beam),
    Fire,
    Climb,
    Jam,
    Tamper,
}

const INPUTS: &[(&str, Input)] = &[
    ("beam_a", Input::Beam(Beam::A)),
    ("beam_b", Input::Beam(Beam::B)),
    ("fire", Input::Fire),
    ("climb", Input::Climb),
    ("jam", Input::Jam),
    ("tamper", Input::Tamper),
];

/// Which pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpio {
    chip: PathBuf,
    inputs: BTreeMap<Offset, Input>,
    active_low: bool,
    debounce: Duration,
    bias: Option<Bias>,
}

impl Gpio {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let mut inputs = BTreeMap::new();
        for (key, input) in INPUTS {
            let line = if matches!(input, Input::Beam(_)) {
                Some(section.need::<Offset>(key, "17")?)
            } else {
                section.get(key)?
            };
            let Some(line) = line else { continue };
            if inputs.insert(line, *input).is_some() {
                return Err(section.wrong(key, &format!("line {line} is used twice")));
            }
        }
        Ok(Self {
            chip: section.or("chip", PathBuf::from("/dev/gpiochip0"))?,
            inputs,
            active_low: section.or("active_low", false)?,
            debounce: Duration::from_millis(section.within("debounce_ms", 10, 0..=1_000)?),
            bias: match section.or("bias", String::from("as-is"))?.as_str() {
                "as-is" => None,
                "pull-up" => Some(Bias::PullUp),
                "pull-down" => Some(Bias::PullDown),
                "disabled" => Some(Bias::Disabled),
                _ => {
                    let biases = "one of as-is, pull-up, pull-down and disabled is wanted";
                    return Err(section.wrong("bias", biases));
                }
            },
        })
    }

    /// Starts it on the current runtime.
    pub fn start(self, fault: Fault) -> Sensing {
        let (signals_tx, signals) = mpsc::channel(SIGNALS_MAX);
        Sensing::new(signals, tokio::spawn(self.watch(fault, signals_tx)))
    }

    async fn watch(self, fault: Fault, signals: mpsc::Sender<Signal>) {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.request() {
                Ok(request) => {
                    fault.clear();
                    backoff.reset();
                    self.read(&AsyncRequest::new(request), &signals).await
                }
                Err(error) => error,
            };
            let chip = self.chip.display();
            fault.raise(&format_args!(
                "{chip}: {error}: is it the right chip, and may this user open it (group gpio)?"
            ));
            sleep(backoff.next_pause()).await;
        }
    }

    fn request(&self) -> gpiocdev::Result<Request> {
        let mut builder = Request::builder();
        builder
            .on_chip(&self.chip)
            .with_consumer("shanmen")
            .with_lines(&self.inputs.keys().copied().collect::<Vec<_>>())
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_bias(self.bias);
        if self.active_low {
            builder.as_active_low();
        }
        if !self.debounce.is_zero() {
            builder.with_debounce_period(self.debounce);
        }
        builder.request()
    }

    async fn read(
        &self,
        request: &AsyncRequest,
        signals: &mpsc::Sender<Signal>,
    ) -> gpiocdev::Error {
        let tell = |input: Input, active: bool| {
            if let Some(signal) = input.signal(active)
                && signals.try_send(signal).is_err()
            {
                warn!(?signal, "a signal was not taken: the lane is gone");
            }
        };
        for (line, input) in &self.inputs {
            match request.as_ref().value(*line) {
                Ok(Value::Active) => tell(*input, true),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        loop {
            match request.read_edge_event().await {
                Ok(event) => {
                    if let Some(input) = self.inputs.get(&event.offset) {
                        tell(*input, event.kind == EdgeKind::Rising);
                    }
                }
                Err(error) => return error,
            }
        }
    }
}

impl Input {
    fn signal(self, active: bool) -> Option<Signal> {
        match self {
            Self::Beam(beam) => Some(Signal::Beam { beam, broken: active }),
            Self::Fire => Some(Signal::Fire(active)),
            Self::Climb => active.then_some(Signal::Climb),
            Self::Jam => Some(Signal::Jam(active)),
            Self::Tamper => Some(Signal::Tamper(active)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_has_its_signal_and_only_climbing_has_no_end() {
        for (_, input) in INPUTS {
            assert!(input.signal(true).is_some());
            assert_eq!(input.signal(false).is_none(), *input == Input::Climb);
        }
        let broken = Signal::Beam { beam: Beam::B, broken: true };
        assert_eq!(Input::Beam(Beam::B).signal(true), Some(broken));
    }
}
