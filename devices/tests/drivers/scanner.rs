//! A scanner and a passage counter on a serial line: split, noisy, unplugged.

use std::{future::poll_fn, time::Duration};

use shanmen_devices::{
    drivers::Parts,
    hardware::{PassageSensor, Scanner, Signal},
};
use shanmen_protocols::{device::CredentialKind, ids::Direction};
use tokio::time::{sleep, timeout};

use crate::line::{Plugged, SOON, Socket, fault, no_fault, start};

/// Starts what `section` says, and plugs it in: the driver has opened the port.
async fn plugged(section: &str) -> (Parts, Plugged, Socket) {
    let socket = Socket::new();
    let (parts, mut faults) = start(&socket, section);
    let part = if parts.sensor.is_some() { "sensor" } else { "scanner" };
    fault(&mut faults, part).await;
    let plugged = socket.plug();
    no_fault(&mut faults).await;
    (parts, plugged, socket)
}

async fn read(scanner: &mut dyn Scanner) -> String {
    let reading = timeout(SOON, poll_fn(|cx| scanner.poll_reading(cx))).await.expect("a reading");
    reading.expect("the scanner lives").credential.data
}

#[tokio::test]
async fn codes_are_read_out_of_noise_and_parts_each_once() {
    let (mut parts, mut plugged, _socket) =
        plugged("[scanner]\ndriver = \"serial-qr\"\nport = \"PORT\"\ndirection = \"out\"").await;
    let scanner = parts.scanner.as_mut().unwrap();
    plugged.send(b"\0\xff\xfe\r\nTICK").await;
    sleep(Duration::from_millis(30)).await;
    plugged.send(b"ET-1\r").await;
    plugged.send(b"\nTICKET-1\r\nTICKET-2\r\n").await;
    let reading = timeout(SOON, poll_fn(|cx| scanner.poll_reading(cx))).await.unwrap().unwrap();
    assert_eq!(reading.credential.data, "TICKET-1");
    assert_eq!(reading.credential.kind, CredentialKind::Qr);
    assert_eq!(reading.direction, Direction::Out);
    assert_eq!(
        read(scanner.as_mut()).await,
        "TICKET-2",
        "the same code again is no second reading"
    );
}

#[tokio::test]
async fn a_code_broken_into_lines_is_whole_where_silence_ends_it() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let section =
        "[scanner]\ndriver = \"serial-qr\"\nport = \"PORT\"\nend = \"gap\"\nundouble = true";
    let (mut parts, mut faults) = start(&socket, section);
    no_fault(&mut faults).await;
    plugged.send(b"SM1AAAABBBB\r\nCCCC\r\n").await;
    assert_eq!(read(parts.scanner.as_mut().unwrap().as_mut()).await, "SM1AAAABBBBCCCC");
    plugged.send(b"TICKET-9\r\nTICKET-9\r\n").await;
    assert_eq!(read(parts.scanner.as_mut().unwrap().as_mut()).await, "TICKET-9");
}

#[tokio::test]
async fn a_scanner_that_is_plugged_in_again_is_read_again_and_is_a_fault_meanwhile() {
    let socket = Socket::new();
    let section = "[scanner]\ndriver = \"serial-qr\"\nport = \"PORT\"";
    let (mut parts, mut faults) = start(&socket, section);
    let scanner = parts.scanner.as_mut().unwrap();
    let why = fault(&mut faults, "scanner").await;
    assert!(why.contains("plugged in"), "not there at the start: {why}");
    for round in 0..3 {
        let mut plugged = socket.plug();
        no_fault(&mut faults).await;
        plugged.send(format!("TICKET-{round}\r\nHALF").as_bytes()).await;
        assert_eq!(read(scanner.as_mut()).await, format!("TICKET-{round}"));
        plugged.unplug();
        fault(&mut faults, "scanner").await;
    }
}

#[tokio::test]
async fn a_counter_s_words_are_signals_and_anything_else_is_noise() {
    let (mut parts, mut plugged, _socket) = plugged(
        "[sensor]\ndriver = \"serial-sensor\"\nport = \"PORT\"\npassed_in = \"IN\"\n\
         passed_out = \"OUT\"\nturned_back_in = \"BACK\"",
    )
    .await;
    let sensor: &mut Box<dyn PassageSensor> = parts.sensor.as_mut().unwrap();
    plugged.send(b"IN\r\nin\r\n?\r\nOU").await;
    plugged.send(b"T\r\nBACK\r\nIN\r\n").await;
    for expected in [
        Signal::Passed(Direction::In),
        Signal::Passed(Direction::Out),
        Signal::TurnedBack(Direction::In),
        Signal::Passed(Direction::In),
    ] {
        let signal = timeout(SOON, poll_fn(|cx| sensor.poll_signal(cx))).await.unwrap();
        assert_eq!(signal, Some(expected));
    }
}
