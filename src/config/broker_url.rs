//! The address of an outside broker: `mqtt://user:password@host:1883`, or `mqtts://`.
//!
//! Owns its form. Its faults never quote it, since it holds a password.

use std::net::IpAddr;

use shanmen_actors::api::OutsideBroker;

/// Whether a host name or address is this machine's own.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads `mqtt://user:password@host:1883`, and whether it is `mqtts://` (port 8883 by default). The
/// faults never quote it: it holds a password.
pub(super) fn outside(url: &str) -> Result<(OutsideBroker, bool), String> {
    let (rest, tls) = match url.split_once("://") {
        Some(("mqtt", rest)) => (rest, false),
        Some(("mqtts", rest)) => (rest, true),
        _ => return Err("the broker's address does not begin with mqtt:// or mqtts://".to_owned()),
    };
    let rest = rest.trim_end_matches('/');
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(l, p)| (Some(l), p));
    let (username, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "")))
    {
        Some((user, password)) => (Some(unescaped(user)?), Some(unescaped(password)?)),
        None => (None, None),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (place, if tls { "8883" } else { "1883" }),
    };
    let port = port.parse().map_err(|_| "the broker's port is not a number to 65535".to_owned())?;
    if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
        return Err("the broker's address has no good host name".to_owned());
    }
    Ok((OutsideBroker { host: host.to_owned(), port, username, password }, tls))
}

/// Undoes `%40` and the like.
fn unescaped(text: &str) -> Result<String, String> {
    let fault = || "the broker's login has a bad %-escape".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let hex =
                tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()).ok_or_else(fault)?;
            bytes.push(u8::from_str_radix(hex, 16).map_err(|_| fault())?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).map_err(|_| fault())
}
