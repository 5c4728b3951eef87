//! A piece of network that can fail: a forwarder between lanes and their broker that can be off.
//!
//! Only lanes that a scenario takes off the network are behind one, so that no other figure pays
//! for it. Off, connections end and new ones are refused; a cut ends them once.

use anyhow::Context as _;
use shanmen_devices::turnstile::BrokerAddress;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// How the network is: on or off, and how often it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    on: bool,
    cuts: u32,
}

/// A forwarder on a port of this machine.
#[derive(Debug)]
pub struct Switch {
    /// Where lanes connect.
    pub address: BrokerAddress,
    state: watch::Sender<State>,
}

impl Switch {
    /// Starts one before `broker`, until `shutdown`.
    pub async fn before(
        broker: &BrokerAddress,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for a switch")?;
        let port = listener.local_addr()?.port();
        let (state, news) = watch::channel(State { on: true, cuts: 0 });
        let broker = (broker.host.clone(), broker.port);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(async move {
            while let Ok((lane, _)) = listener.accept().await {
                if news.borrow().on {
                    tokio::spawn(forward(lane, broker.clone(), news.clone()));
                }
            }
        }));
        Ok(Self { address: BrokerAddress { host: "127.0.0.1".into(), port }, state })
    }

    /// Turns the network on or off.
    pub fn turn(&self, on: bool) {
        self.state.send_modify(|state| state.on = on);
    }

    /// Ends all connections once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

async fn forward(mut lane: TcpStream, broker: (String, u16), mut news: watch::Receiver<State>) {
    let Ok(mut server) = TcpStream::connect(broker).await else { return };
    if lane.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    news.mark_unchanged();
    let at_first = *news.borrow();
    if !at_first.on {
        return;
    }
    tokio::select! {
        // Whichever side ends it: the lane finds out by itself.
        _ended = copy_bidirectional(&mut lane, &mut server) => {}
        _changed = news.wait_for(|state| *state != at_first) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_off_lets_nobody_through_and_what_is_on_again_does() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = echo.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        let broker = BrokerAddress { host: "127.0.0.1".into(), port };
        let shutdown = CancellationToken::new();
        let switch = Switch::before(&broker, &shutdown).await.unwrap();
        let through = async || {
            let mut stream = TcpStream::connect(("127.0.0.1", switch.address.port)).await.unwrap();
            stream.write_all(b"a").await.ok();
            let mut answer = [0_u8; 1];
            let read = stream.read_exact(&mut answer).await.is_ok();
            (read, stream)
        };
        let (good, mut stream) = through().await;
        assert!(good);
        switch.turn(false);
        assert_eq!(stream.read(&mut [0_u8; 1]).await.unwrap_or(0), 0, "it ends");
        assert!(!through().await.0);
        switch.turn(true);
        assert!(through().await.0);
        shutdown.cancel();
    }
}
