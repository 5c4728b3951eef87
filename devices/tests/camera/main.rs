//! How much of what a gate's camera sees is read: measured by class, with a floor under each.
//!
//! `SHANMEN_FRAMES=20 cargo test -p shanmen-devices --test camera -- --nocapture rate` prints the
//! table that stands in `devices/src/camera.rs`: each class has that many pictures of a signed
//! ticket code and as many of a short code. Without it only the column under the floor is measured.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a measurement: optics in floating point, and its own clock"
)]

mod photo;
mod scanner;

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use photo::{Shot, take};
use shanmen_devices::camera::{
    Decoder, Frame,
    decode::{LOOKS, by_rqrr, by_rxing},
};
use shanmen_protocols::{
    code::{Claims, sign},
    ids::{ProductId, SiteId, TicketId},
};

/// A class of pictures, and the least share of it, in percent, that has to be read in the end:
/// of signed codes, and of short ones.
fn classes() -> Vec<(&'static str, Shot, u32, u32)> {
    let plain = Shot::default();
    vec![
        ("clean, 4 px a module", plain, 80, 80),
        ("any rotation", Shot { rotation: 180.0, ..plain }, 80, 80),
        ("tilted up to 35°", Shot { tilt: 35.0, ..plain }, 80, 80),
        ("blur σ 1.5", Shot { blur_sigma: 1.5, ..plain }, 80, 80),
        ("blur σ 2", Shot { blur_sigma: 2.0, ..plain }, 40, 40),
        ("noise σ 25", Shot { noise_sigma: 25.0, ..plain }, 80, 80),
        ("low contrast", Shot { black: 118.0, white: 148.0, ..plain }, 80, 80),
        ("dim", Shot { black: 6.0, white: 26.0, noise_sigma: 3.0, ..plain }, 80, 80),
        ("glare", Shot { glare: 160.0, ..plain }, 80, 80),
        ("3 px a module", Shot { px_per_module: 3.0, ..plain }, 80, 80),
        ("2 px a module", Shot { px_per_module: 2.0, ..plain }, 80, 80),
        ("inverted", Shot { inverted: true, ..plain }, 80, 80),
        (
            "all at once, mildly",
            Shot {
                px_per_module: 3.2,
                rotation: 30.0,
                tilt: 20.0,
                blur_sigma: 1.0,
                noise_sigma: 8.0,
                black: 60.0,
                white: 170.0,
                glare: 40.0,
                inverted: false,
            },
            80,
            80,
        ),
    ]
}

fn signed(number: u64) -> String {
    let claims = Claims {
        site: SiteId::new("huangshan").unwrap(),
        ticket: TicketId(uuid::Uuid::from_u128(
            0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(number),
        )),
        product: ProductId::new("adult-day").unwrap(),
        persons: 1,
        epoch: 0,
        visit_date: Some(20_000),
        slot_start_min: Some(540),
        issued_at_s: 1_760_000_000,
        not_before_s: None,
        expires_s: Some(1_760_100_000),
    };
    sign(&claims, "k1", &SigningKey::from_bytes(&[7; 32])).unwrap()
}

fn short(number: u64) -> String {
    format!("T{:015}", number.wrapping_mul(7_919_000_017) % 1_000_000_000_000_000)
}

#[derive(Default)]
struct Tally {
    read: u32,
    took: Duration,
}

impl Tally {
    fn count(&mut self, text: &str, read: impl FnOnce() -> Option<String>) {
        let began = Instant::now();
        let found = read();
        self.took += began.elapsed();
        if let Some(found) = found {
            assert_eq!(found, text, "read as something else");
            self.read += 1;
        }
    }

    fn cell(&self, of: u32) -> String {
        format!("{:3}/{of} {:5.1} ms", self.read, self.took.as_secs_f64() * 1e3 / f64::from(of))
    }
}

#[test]
fn the_rate_of_each_class_stays_above_its_floor() {
    let asked = std::env::var("SHANMEN_FRAMES").ok().and_then(|text| text.parse().ok());
    let frames: u32 = asked.unwrap_or(5);
    let mut low = Vec::new();
    println!(
        "| class | code | rqrr | rxing | rqrr, all looks | both, all looks | live, 6 frames |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (class, (name, shot, signed_floor, short_floor)) in (0_u64..).zip(classes()) {
        for (kind, text_of, floor) in [
            ("signed", signed as fn(u64) -> String, signed_floor),
            ("short", short as fn(u64) -> String, short_floor),
        ] {
            let mut tallies: [Tally; 5] = Default::default();
            for number in 0..u64::from(frames) {
                let text = text_of(number);
                let frame = take(&text, shot, class * 1_000 + number);
                let [rqrr, rxing, looks, both, live] = &mut tallies;
                both.count(&text, || Decoder::new().read_still(&frame));
                if asked.is_none() {
                    continue;
                }
                rqrr.count(&text, || by_rqrr(&frame));
                rxing.count(&text, || by_rxing(&frame));
                looks.count(&text, || LOOKS.iter().find_map(|look| by_rqrr(&look.at(&frame))));
                let mut decoder = Decoder::new();
                live.count(&text, || (0..6).find_map(|_| decoder.read_live(&frame)));
            }
            let cells = tallies.each_ref().map(|tally| tally.cell(frames)).join(" | ");
            println!("| {name} | {kind} | {cells} |");
            if tallies[3].read * 100 < frames * floor {
                low.push(format!("{name}, {kind}: {} of {frames}", tallies[3].read));
            }
        }
    }
    assert!(low.is_empty(), "below the floor: {low:?}");
}

#[test]
fn nothing_is_read_where_nothing_is_and_quickly() {
    let grey = Frame::new(photo::WIDTH, photo::HEIGHT, vec![140; photo::WIDTH * photo::HEIGHT]);
    let grey = grey.unwrap();
    let began = Instant::now();
    assert_eq!(Decoder::new().read_still(&grey), None);
    println!("an empty frame, all looks: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(Decoder::new().read_live(&grey), None);
    println!("an empty frame, live: {:?}", began.elapsed());
}
