//! Two light barriers on the pins of the machine, through the kernel's GPIO character device.
//!
//! ```toml
//! [hardware.sensor]
//! driver = "gpio"
//! chip = "/dev/gpiochip0"
//! outer = 17              # the line of the barrier at the entrance
//! inner = 27              # the line of the one at the park's side
//! active_low = false      # true where a cut barrier pulls its line down
//! debounce_ms = 10        # done by the kernel
//! bias = "as-is"          # as-is, pull-up, pull-down, disabled
//! ```
//!
//! It refuses nothing at run time but a chip that is not there: that is a fault until it is.

use std::{path::PathBuf, time::Duration};

use gpiocdev::{
    Request,
    line::{Bias, EdgeDetection, EdgeKind, Offset},
    tokio::AsyncRequest,
};
use tokio::{sync::mpsc, time::sleep};
use tracing::warn;

use super::{
    backoff::Backoff,
    beams::{Beam, Beams},
    fault::Fault,
    section::{ConfigError, Section},
    sensor::{SIGNALS_MAX, Sensing},
};
use crate::hardware::Signal;

/// Which pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpio {
    chip: PathBuf,
    outer: Offset,
    inner: Offset,
    active_low: bool,
    debounce: Duration,
    bias: Option<Bias>,
}

impl Gpio {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let gpio = Self {
            chip: section.or("chip", PathBuf::from("/dev/gpiochip0"))?,
            outer: section.need("outer", "17")?,
            inner: section.need("inner", "27")?,
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
        };
        if gpio.outer == gpio.inner {
            return Err(section.wrong("inner", "it is the line of `outer`: two lines are wanted"));
        }
        Ok(gpio)
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
            .with_lines(&[self.outer, self.inner])
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
        let mut beams = Beams::new();
        loop {
            let event = match request.read_edge_event().await {
                Ok(event) => event,
                Err(error) => return error,
            };
            let beam = if event.offset == self.outer { Beam::Outer } else { Beam::Inner };
            if let Some(signal) = beams.changed(beam, event.kind == EdgeKind::Rising)
                && signals.try_send(signal).is_err()
            {
                warn!(?signal, "a passage was not taken: nobody counts");
            }
        }
    }
}
