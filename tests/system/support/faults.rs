//! A bad network between devices and their broker: a proxy that reads MQTT packet by packet and
//! drops, delays, doubles, reorders and cuts, as its seed says. Also one that only cuts or falls
//! silent (a half-open connection), at a test's word.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything goes through at once.
    Clear,
    /// Packets are dropped, delayed, doubled, reordered, and connections cut.
    Stormy,
    /// Nothing goes through, and nobody is told: connections are half open.
    Silent,
    /// Connections end, and new ones are refused.
    Down,
}

impl Weather {
    const ALL: [Self; 4] = [Self::Clear, Self::Stormy, Self::Silent, Self::Down];
}

/// What the proxy did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) dropped: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) doubled: AtomicU64,
    pub(crate) reordered: AtomicU64,
    pub(crate) cut: AtomicU64,
}

/// A proxy before a broker.
pub(crate) struct Faults {
    pub(crate) port: u16,
    weather: Arc<AtomicU8>,
    changed: watch::Sender<()>,
    pub(crate) done: Arc<Done>,
}

impl Faults {
    /// Starts one before `broker`; the same seed makes the same choices for the same packets.
    pub(crate) async fn before(broker: (String, u16), seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let weather = Arc::new(AtomicU8::new(0));
        let (changed, news) = watch::channel(());
        let done = Arc::new(Done::default());
        let (under, counted) = (Arc::clone(&weather), Arc::clone(&done));
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((client, _)) = listener.accept().await {
                connections += 1;
                if is(&under, Weather::Down) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(broker.clone()).await else { continue };
                let rng = StdRng::seed_from_u64(seed ^ (connections << 32));
                let (weather, done) = (Arc::clone(&under), Arc::clone(&counted));
                tokio::spawn(connection(client, server, weather, news.clone(), done, rng));
            }
        });
        Self { port, weather, changed, done }
    }

    /// Changes the weather, for connections that stand too.
    pub(crate) fn become_(&self, weather: Weather) {
        let n = Weather::ALL.iter().position(|one| *one == weather).expect("one of all");
        self.weather.store(u8::try_from(n).expect("four of them"), Ordering::SeqCst);
        self.changed.send_replace(());
    }
}

fn is(now: &AtomicU8, weather: Weather) -> bool {
    Weather::ALL[usize::from(now.load(Ordering::SeqCst))] == weather
}

async fn connection(
    client: TcpStream,
    server: TcpStream,
    weather: Arc<AtomicU8>,
    mut changes: watch::Receiver<()>,
    done: Arc<Done>,
    mut rng: StdRng,
) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("no delay");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (up, up_rx) = mpsc::channel(1024);
    let (down, down_rx) = mpsc::channel(1024);
    let other = StdRng::seed_from_u64(rng.random());
    let way = |reader, ahead: &mpsc::Sender<Vec<u8>>, back: &mpsc::Sender<Vec<u8>>, rng| Way {
        reader,
        ahead: ahead.clone(),
        back: back.clone(),
        weather: Arc::clone(&weather),
        done: Arc::clone(&done),
        rng,
    };
    let upwards = way(from_client, &up, &down, rng);
    let downwards = way(from_server, &down, &up, other);
    let down_now = async {
        while !is(&weather, Weather::Down) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = upwards.run() => {}
        _ = downwards.run() => {}
        () = write(up_rx, to_server) => {}
        () = write(down_rx, to_client) => {}
        () = down_now => {}
    }
}

async fn write(mut packets: mpsc::Receiver<Vec<u8>>, mut to: OwnedWriteHalf) {
    while let Some(packet) = packets.recv().await {
        if to.write_all(&packet).await.is_err() {
            return;
        }
    }
}

/// One direction of a connection.
struct Way {
    reader: OwnedReadHalf,
    ahead: mpsc::Sender<Vec<u8>>,
    back: mpsc::Sender<Vec<u8>>,
    weather: Arc<AtomicU8>,
    done: Arc<Done>,
    rng: StdRng,
}

impl Way {
    async fn run(mut self) -> io::Result<()> {
        let mut held: Option<Vec<u8>> = None;
        loop {
            let packet = packet(&mut self.reader).await?;
            while is(&self.weather, Weather::Silent) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let publish = packet[0] >> 4 == 3;
            if !publish || !is(&self.weather, Weather::Stormy) {
                self.send(packet).await?;
                if let Some(late) = held.take() {
                    self.send(late).await?;
                }
                continue;
            }
            match self.rng.random_range(0..1_000) {
                0..20 => {
                    self.done.dropped.fetch_add(1, Ordering::Relaxed);
                    // Its sender believes that it arrived: a broker that dies forgets it so.
                    if let Some(ack) = acknowledged(&packet) {
                        self.back.send(ack).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
                    }
                }
                20..50 => {
                    self.done.doubled.fetch_add(1, Ordering::Relaxed);
                    let copy = without_acknowledgement(&packet);
                    self.send(packet).await?;
                    self.send(copy).await?;
                }
                50..80 if held.is_none() => {
                    self.done.reordered.fetch_add(1, Ordering::Relaxed);
                    held = Some(packet);
                    continue;
                }
                80..110 => {
                    self.done.delayed.fetch_add(1, Ordering::Relaxed);
                    let pause = self.rng.random_range(10..400);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    self.send(packet).await?;
                }
                110..114 => {
                    self.done.cut.fetch_add(1, Ordering::Relaxed);
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                _ => self.send(packet).await?,
            }
            if let Some(late) = held.take() {
                self.send(late).await?;
            }
        }
    }

    async fn send(&self, packet: Vec<u8>) -> io::Result<()> {
        self.ahead.send(packet).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// One packet as it came: its fixed header says how long it is.
async fn packet(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut packet = vec![from.read_u8().await?];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = from.read_u8().await?;
        packet.push(byte);
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 21 {
            break;
        }
    }
    let head = packet.len();
    packet.resize(head + length, 0);
    from.read_exact(&mut packet[head..]).await?;
    Ok(packet)
}

/// Where a publish's packet id stands; none at quality 0.
fn packet_id_at(publish: &[u8]) -> Option<usize> {
    let at_least_once = publish[0] & 0b0110 != 0;
    let head = 1 + publish[1..].iter().position(|byte| byte & 0x80 == 0)? + 1;
    let topic = usize::from(u16::from_be_bytes([publish[head], publish[head + 1]]));
    at_least_once.then_some(head + 2 + topic)
}

/// The acknowledgement of a publish at quality 1.
fn acknowledged(publish: &[u8]) -> Option<Vec<u8>> {
    let at = packet_id_at(publish)?;
    Some(vec![0x40, 2, publish[at], publish[at + 1]])
}

/// The same publish at quality 0: a double whose acknowledgement would confuse nobody.
fn without_acknowledgement(publish: &[u8]) -> Vec<u8> {
    let Some(at) = packet_id_at(publish) else { return publish.to_vec() };
    let head = publish[1..].iter().position(|byte| byte & 0x80 == 0).map_or(2, |end| end + 2);
    let mut body = publish[head..at].to_vec();
    body.extend(&publish[at + 2..]);
    let mut copy = vec![publish[0] & 0b1111_0001];
    let mut length = body.len();
    loop {
        let byte = u8::try_from(length % 128).expect("below 128");
        length /= 128;
        copy.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    copy.extend(body);
    copy
}
