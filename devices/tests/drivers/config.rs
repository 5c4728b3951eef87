//! What a `[hardware]` section may say, and how a mistake in it is told.

use shanmen_devices::{
    clock::Clock,
    drivers::{FaultBoard, from_config},
};

use crate::line::fault;

#[tokio::test]
async fn every_mistake_is_told_with_its_place_and_what_would_be_right() {
    for (text, expected) in [
        (
            "[printer]\ndriver = \"x\"",
            "hardware.printer: unknown section: remove it, or use one of scanner, exit_scanner, \
             card_reader, barrier and sensor",
        ),
        ("scanner = 5", "hardware.scanner: a section [hardware.scanner] is wanted, not a integer"),
        (
            "[scanner]\nport = \"/dev/ttyS1\"",
            "hardware.scanner: `driver` is missing: add driver = \"serial-qr\"",
        ),
        (
            "[scanner]\ndriver = \"serial\"",
            "hardware.scanner.driver: no driver \"serial\": use one of serial-qr, usb-hid, id-card, \
             camera, pictures",
        ),
        (
            "[scanner]\ndriver = \"serial-qr\"",
            "hardware.scanner: `port` is missing: add port = \"/dev/ttyS1\"",
        ),
        (
            "[scanner]\ndriver = \"serial-qr\"\nport = \"/x\"\nbauds = 9600",
            "hardware.scanner: unknown key `bauds`: remove it, or use one of baud, credential, \
             direction, driver, end, gap_ms, parity, port, repeat_ms, stop_bits, strip_prefix, \
             undouble",
        ),
        (
            "[scanner]\ndriver = \"serial-qr\"\nport = \"/x\"\ncredential = \"palm\"",
            "hardware.scanner.credential: one of qr, barcode, rfid, id_card, face and \
             exchange_code is wanted",
        ),
        (
            "[barrier]\ndriver = \"modbus-relay\"\nport = \"/x\"\nopen_in = 1\nred = 1",
            "hardware.barrier.red: coil 1 is used twice",
        ),
        (
            "[barrier]\ndriver = \"modbus-relay\"\nport = \"/x\"\nopen_in = 1\nslave = 300",
            "hardware.barrier.slave: 300 is not within 1 and 247",
        ),
        (
            "[sensor]\ndriver = \"gpio\"\nbeam_a = 4\nbeam_b = 4",
            "hardware.sensor.beam_b: line 4 is used twice",
        ),
        (
            "[sensor]\ndriver = \"serial-sensor\"\nport = \"/x\"",
            "hardware.sensor: no word is known: add passed_in = \"IN\", as the counter's manual says",
        ),
    ] {
        let board = FaultBoard::new();
        let error = from_config(&text.parse().unwrap(), &board, &Clock::default()).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected), "{text}");
    }
}

#[tokio::test]
async fn a_turnstile_is_told_which_part_it_lacks() {
    let board = FaultBoard::new();
    let text = "[scanner]\ndriver = \"serial-qr\"\nport = \"/x\"";
    let parts = from_config(&text.parse().unwrap(), &board, &Clock::default()).unwrap();
    let error = parts.of_turnstile().err().unwrap().to_string();
    let why = "a turnstile needs [hardware.barrier]: add it, with driver = \"modbus-relay\"";
    assert_eq!(error, format!("hardware: {why}"));
}

#[tokio::test]
async fn hardware_that_is_not_there_is_a_fault_of_its_part_and_no_error() {
    let board = FaultBoard::new();
    let text = "[scanner]\ndriver = \"usb-hid\"\ndevice = \"/dev/input/none\"\n\
                [exit_scanner]\ndriver = \"camera\"\ndevice = \"/dev/video-none\"\n\
                [sensor]\ndriver = \"gpio\"\nchip = \"/dev/gpiochip-none\"\nbeam_a = 1\nbeam_b = 2\n\
                [barrier]\ndriver = \"modbus-relay\"\nport = \"/dev/tty-none\"\nopen_in = 0";
    let parts = from_config(&text.parse().unwrap(), &board, &Clock::default()).unwrap();
    assert!(parts.scanner.is_some() && parts.sensor.is_some() && parts.barrier.is_some());
    let mut faults = board.watch();
    for part in ["scanner", "exit_scanner", "sensor", "barrier"] {
        let why = fault(&mut faults, part).await;
        assert!(why.contains("none") && why.contains("may this user"), "{part}: {why}");
    }
}
