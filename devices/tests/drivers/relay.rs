//! A relay board: the frames it gets, byte for byte, and what happens when it is silent or gone.

use std::time::Duration;

use shanmen_protocols::ids::Direction;
use tokio::time::timeout;

use crate::line::{Plugged, Socket, fault, no_fault, start};

const SECTION: &str = "[barrier]\ndriver = \"modbus-relay\"\nport = \"PORT\"\nslave = 1\n\
                       open_in = 0\nopen_out = 1\ntimeout_ms = 100";

/// Modbus' CRC, bit by bit, as its specification describes it.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xffff_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0xa001;
            }
        }
    }
    crc.to_le_bytes()
}

/// The next write of a coil, answered as a board does: which, and whether on.
async fn write(plugged: &mut Plugged) -> (u8, bool) {
    let frame = plugged.take(8).await;
    assert_eq!(frame[6..], crc(&frame[..6]), "{frame:02x?}");
    assert_eq!(frame[..3], [1, 5, 0], "slave 1, write single coil: {frame:02x?}");
    plugged.send(&frame).await;
    (frame[3], frame[4..6] == [0xff, 0])
}

/// The writes until those of the present state.
async fn writes_until(plugged: &mut Plugged, wanted: &[(u8, bool)]) {
    let mut last = Vec::new();
    for _ in 0..20 {
        last.push(write(plugged).await);
        if last.ends_with(wanted) {
            return;
        }
    }
    panic!("{wanted:?} was not written: {last:?}");
}

#[test]
fn the_sum_is_that_of_the_specification() {
    assert_eq!(crc(&[1, 5, 0, 0, 0xff, 0]), [0x8c, 0x3a]);
}

#[tokio::test]
async fn the_contacts_follow_the_barrier() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (mut parts, _faults) = start(&socket, SECTION);
    let barrier = parts.barrier.as_mut().unwrap();
    writes_until(&mut plugged, &[(0, false), (1, false)]).await;
    barrier.open(Direction::In);
    writes_until(&mut plugged, &[(0, true), (1, false)]).await;
    barrier.open(Direction::Out);
    writes_until(&mut plugged, &[(0, false), (1, true)]).await;
    barrier.close();
    writes_until(&mut plugged, &[(0, false), (1, false)]).await;
    barrier.release();
    writes_until(&mut plugged, &[(0, true), (1, true)]).await;
    barrier.close();
    writes_until(&mut plugged, &[(0, false), (1, false)]).await;
}

#[tokio::test]
async fn a_barrier_that_takes_a_pulse_gets_one_for_each_opening() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (mut parts, _faults) = start(&socket, &format!("{SECTION}\npulse_ms = 20"));
    let barrier = parts.barrier.as_mut().unwrap();
    writes_until(&mut plugged, &[(0, false), (1, false)]).await;
    for _ in 0..2 {
        barrier.open(Direction::In);
        writes_until(&mut plugged, &[(0, true), (0, false)]).await;
        barrier.close();
        writes_until(&mut plugged, &[(0, false), (1, false)]).await;
    }
    barrier.release();
    writes_until(&mut plugged, &[(0, true), (1, true)]).await;
}

#[tokio::test]
async fn a_write_is_tried_again_and_a_silent_board_is_a_fault_that_gets_the_present_state() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (mut parts, mut faults) = start(&socket, SECTION);
    let barrier = parts.barrier.as_mut().unwrap();
    writes_until(&mut plugged, &[(0, false), (1, false)]).await;
    barrier.open(Direction::In);
    // The first try gets no answer, and the second one noise before it.
    let first = plugged.take(8).await;
    let second = plugged.take(8).await;
    assert_eq!(first, second);
    plugged.send(&[0xff, 0x00, 0x81]).await;
    plugged.send(&second).await;
    writes_until(&mut plugged, &[(1, false)]).await;
    no_fault(&mut faults).await;

    barrier.close();
    // Nobody answers now.
    let why = fault(&mut faults, "barrier").await;
    assert!(why.contains("does not answer"), "{why}");
    barrier.open(Direction::Out);
    barrier.close();
    plugged.unplug();
    let mut again = socket.plug();
    // An opening that was closed again while the board was gone is never written.
    assert_eq!(write(&mut again).await, (0, false));
    assert_eq!(write(&mut again).await, (1, false));
    no_fault(&mut faults).await;
    let nothing = timeout(Duration::from_millis(300), again.take(1)).await;
    assert!(nothing.is_err(), "{nothing:?}");
}
