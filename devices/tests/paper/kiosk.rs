//! A kiosk over real sockets: a purchase, a code, a restart while the visitor pays.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value};
use shanmen_devices::{
    agent::{AgentConfig, AgentHandle},
    clock::Clock,
    firmware::Upkeep,
    kiosk::{
        self,
        front::{Front, Screen, Shown, Wish},
        orders::View,
        payment::FilePayments,
        virtual_kiosk::VirtualKiosk,
    },
    print::{driver::Manner, sink::Place, virtual_printer::VirtualPrinter},
    printer::PrinterSettings,
    storage::SqliteStorage,
};
use shanmen_protocols::{
    device::{
        Body, Credential, CredentialKind, JobState, OrderBody, OrderLine, OrderState, OrderTicket,
        ResponseStatus, What,
    },
    ids::{DeviceId, OrderId, ProductId, SiteId, TicketId},
};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Broker,
    plane::{Answers, Plane},
    within,
};

/// The control plane's orders.
#[derive(Clone, Default)]
pub(crate) struct Shop(Arc<Mutex<BTreeMap<OrderId, OrderBody>>>);

impl Shop {
    pub(crate) fn answers(&self) -> Answers {
        let shop = self.clone();
        Box::new(move |what| Some(shop.answer(what)))
    }

    fn state(&self, order: OrderId) -> OrderState {
        self.0.lock().unwrap()[&order].state
    }

    fn answer(&self, what: &What) -> (ResponseStatus, Map<String, Value>) {
        let mut orders = self.0.lock().unwrap();
        let new = |order: OrderId, lines: &[OrderLine], state| OrderBody {
            order: Some(order),
            state,
            lines: lines.to_vec(),
            amount: 12_000 * u64::try_from(lines.len()).unwrap(),
            expires: None,
            tickets: Vec::new(),
        };
        let order = match what {
            What::Order { order, lines } => {
                if !lines.is_empty() {
                    let begun = new(*order, lines, OrderState::Open);
                    orders.entry(*order).or_insert(begun);
                }
                order
            }
            What::Pay { order, amount, .. } => {
                let body = orders.get_mut(order).unwrap();
                assert_eq!(body.amount, *amount);
                if body.state == OrderState::Open {
                    body.state = OrderState::Issued;
                    body.tickets = vec![ticket(1)];
                }
                order
            }
            What::Redeem { order, credential, .. } => {
                assert_eq!(credential.data, "K7-PLAIN");
                let issued = new(*order, &[], OrderState::Issued);
                orders.entry(*order).or_insert(issued).tickets = vec![ticket(2), ticket(3)];
                order
            }
            What::Collected { order } => {
                orders.get_mut(order).unwrap().state = OrderState::Collected;
                order
            }
            What::CancelOrder { order } => {
                if let Some(body) = orders.get_mut(order) {
                    body.state = OrderState::Cancelled;
                }
                order
            }
            _ => return (ResponseStatus::Invalid, Map::new()),
        };
        let Some(body) = orders.get(order) else { return (ResponseStatus::NotFound, Map::new()) };
        let Value::Object(body) = serde_json::to_value(body).unwrap() else { panic!("a map") };
        (ResponseStatus::Ok, body)
    }
}

fn code(number: u128) -> String {
    format!("SM1KIOSK{number}")
}

fn ticket(number: u128) -> OrderTicket {
    OrderTicket {
        ticket: TicketId(uuid::Uuid::from_u128(number)),
        code: code(number),
        product: ProductId::new("adult").unwrap(),
        name: "成人票".into(),
        name_en: "Adult".into(),
        persons: 1,
        price: 12_000,
        validity: "2026年10月1日".into(),
    }
}

fn line() -> OrderLine {
    OrderLine {
        product: ProductId::new("adult").unwrap(),
        count: 1,
        persons: None,
        visit_date: None,
        slot: None,
    }
}

struct Hall {
    _broker: Broker,
    plane: Plane,
    shop: Shop,
    paper: VirtualPrinter,
    agent: AgentConfig,
    printer: PrinterSettings,
    folder: tempfile::TempDir,
}

struct Running {
    handle: AgentHandle,
    screen: Screen,
    stop: CancellationToken,
}

impl Hall {
    async fn start() -> Option<Self> {
        let broker = Broker::start().await?;
        let (site, device) = (SiteId::new("huangshan").unwrap(), DeviceId::new("kiosk-1").unwrap());
        let shop = Shop::default();
        let plane = Plane::start(&broker.address(), &site, &device, shop.answers()).await;
        let paper = VirtualPrinter::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let sink = Place::Tcp { address: paper.address().to_string() };
        let printer = PrinterSettings {
            manner: Manner { step_ms: 1_000, paper_ms: 5_000, ..Manner::default() },
            poll_ms: 50,
            ..PrinterSettings::at(sink)
        };
        let agent = AgentConfig {
            reconnect_min_ms: 10,
            reconnect_max_ms: 100,
            ..AgentConfig::new(site, device, broker.address())
        };
        let folder = tempfile::tempdir().unwrap();
        Some(Self { _broker: broker, plane, shop, paper, agent, printer, folder })
    }

    fn payments(&self) -> std::path::PathBuf {
        self.folder.path().join("payments")
    }

    fn kiosk(&self) -> Running {
        let (front, screen) = Front::pair(64);
        let stop = CancellationToken::new();
        let payment = Arc::new(FilePayments::open(&self.payments()).unwrap());
        let storage = SqliteStorage::open(&self.folder.path().join("kiosk.db")).unwrap();
        let handle = kiosk::start(
            self.agent.clone(),
            &self.printer,
            front,
            payment,
            (Box::new(storage), Upkeep::default()),
            Clock::default(),
            stop.clone(),
        );
        Running { handle, screen, stop }
    }

    fn told(of: OrderId) -> impl FnMut(&crate::plane::Seen) -> bool {
        move |seen| {
            seen.facts.iter().any(|fact| match fact {
                Body::Order { order, state, .. } | Body::Redeem { order, state } => {
                    *order == of && state == "collected"
                }
                _ => false,
            })
        }
    }
}

impl Running {
    async fn shows(&mut self, what: &str, mut wanted: impl FnMut(&Shown) -> bool) -> Shown {
        let seen = async {
            loop {
                let shown = self.screen.shown.recv().await.unwrap();
                if wanted(&shown) {
                    return shown;
                }
            }
        };
        within(what, seen).await
    }

    async fn order(&mut self, state: &str) -> View {
        let wanted = |shown: &Shown| matches!(shown, Shown::Order(view) if view.state == state);
        let Shown::Order(view) = self.shows(state, wanted).await else { panic!("an order") };
        view
    }

    async fn is_ready(&mut self) {
        self.shows("ready", |shown| *shown == Shown::Ready { online: true, printer: true }).await;
    }

    async fn end(self) {
        self.stop.cancel();
        within("the end", self.handle.stopped()).await;
    }
}

fn pay(folder: &Path, view: &View) {
    let end = folder.join(format!("{}.end", view.payment.as_ref().unwrap()));
    std::fs::write(end, format!("paid {}", view.amount)).unwrap();
}

fn codes(paper: &VirtualPrinter) -> Vec<String> {
    let read = |picture: shanmen_devices::print::raster::Raster| {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| {
            picture.is_printed(u32::try_from(x).unwrap(), u32::try_from(y).unwrap())
        });
        image.detect_grids()[0].decode().unwrap().1
    };
    paper.pages().iter().map(|page| read(page.picture().unwrap())).collect()
}

#[tokio::test]
async fn a_visitor_buys_and_another_exchanges_a_code() {
    let Some(hall) = Hall::start().await else { return };
    let mut kiosk = hall.kiosk();
    kiosk.is_ready().await;
    kiosk.screen.wishes.send(Wish::Buy { lines: vec![line()] }).await.unwrap();
    let paying = kiosk.order("paying").await;
    assert_eq!(paying.amount, 12_000);
    pay(&hall.payments(), &paying);
    kiosk.order("collected").await;
    hall.plane.has_seen("collected", Hall::told(paying.order)).await;
    assert_eq!(codes(&hall.paper), [code(1)]);

    let credential = Credential { kind: CredentialKind::ExchangeCode, data: "K7-PLAIN".into() };
    kiosk.screen.wishes.send(Wish::Redeem { credential, confirm: None }).await.unwrap();
    let redeemed = loop {
        let view = kiosk.order("collected").await;
        if view.order != paying.order {
            break view.order;
        }
    };
    let seen = hall.plane.has_seen("redeemed", Hall::told(redeemed)).await;
    assert_eq!(codes(&hall.paper), [code(1), code(2), code(3)]);
    let states: Vec<_> = seen
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Body::Order { state, .. } => Some(state.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(states, ["open", "paid", "issued", "collected"]);
    kiosk.end().await;
    // Neither what was presented nor a ticket's code is on the disk.
    for file in std::fs::read_dir(hall.folder.path()).unwrap().flatten() {
        if let Ok(bytes) = std::fs::read(file.path()) {
            for plain in ["K7-PLAIN", "SM1KIOSK"] {
                let found = bytes.windows(plain.len()).any(|part| part == plain.as_bytes());
                assert!(!found, "{plain} in {:?}", file.file_name());
            }
        }
    }
}

#[tokio::test]
async fn a_purchase_that_is_paid_while_the_kiosk_is_off_is_printed_once() {
    let Some(hall) = Hall::start().await else { return };
    let mut kiosk = hall.kiosk();
    kiosk.is_ready().await;
    kiosk.screen.wishes.send(Wish::Buy { lines: vec![line()] }).await.unwrap();
    let paying = kiosk.order("paying").await;
    kiosk.end().await;
    pay(&hall.payments(), &paying);
    let mut kiosk = hall.kiosk();
    let collected = kiosk.order("collected").await;
    assert_eq!(collected.order, paying.order);
    let seen = hall.plane.has_seen("collected", Hall::told(paying.order)).await;
    assert_eq!(codes(&hall.paper), [code(1)]);
    let done = |fact: &&Body| matches!(fact, Body::Job { state: JobState::Done, .. });
    assert_eq!(seen.facts.iter().filter(done).count(), 1);
    kiosk.end().await;
    let kiosk = hall.kiosk();
    within("accepted", kiosk.handle.ready()).await.unwrap();
    within("settled", kiosk.handle.settled()).await.unwrap();
    assert_eq!(hall.paper.count(), 1);
    kiosk.end().await;
}

#[tokio::test]
async fn a_purchase_that_nobody_paid_is_cancelled_after_a_restart() {
    let Some(hall) = Hall::start().await else { return };
    let mut kiosk = hall.kiosk();
    kiosk.is_ready().await;
    kiosk.screen.wishes.send(Wish::Buy { lines: vec![line()] }).await.unwrap();
    let paying = kiosk.order("paying").await;
    kiosk.end().await;
    let mut kiosk = hall.kiosk();
    let cancelled = kiosk.order("cancelled").await;
    assert_eq!(cancelled.order, paying.order);
    assert_eq!(hall.shop.state(paying.order), OrderState::Cancelled);
    let end = hall.payments().join(format!("{}.end", paying.payment.unwrap()));
    assert_eq!(std::fs::read_to_string(end).unwrap().trim(), "not_paid");
    kiosk.end().await;
}

#[tokio::test]
async fn a_virtual_kiosk_serves_one_visitor_after_the_other() {
    let Some(broker) = Broker::start().await else { return };
    let (site, device) = (SiteId::new("huangshan").unwrap(), DeviceId::new("kiosk-9").unwrap());
    let shop = Shop::default();
    let plane = Plane::start(&broker.address(), &site, &device, shop.answers()).await;
    let shutdown = CancellationToken::new();
    let agent = AgentConfig::new(site, device, broker.address());
    let kiosk = VirtualKiosk::start(agent, Clock::default(), shutdown.clone());
    within("ready", kiosk.ready()).await.unwrap();
    for _ in 0..3 {
        let bought = within("tickets", kiosk.buy(vec![line()])).await.unwrap();
        assert_eq!(bought.amount, 12_000);
        assert_eq!(bought.tickets.len(), 1);
        assert_eq!(bought.tickets[0].code, code(1));
        let redeemed = within("tickets", kiosk.redeem("K7-PLAIN")).await.unwrap();
        let plain: Vec<_> = redeemed.tickets.into_iter().map(|ticket| ticket.code).collect();
        assert_eq!(plain, [code(2), code(3)]);
    }
    let all = |seen: &crate::plane::Seen| {
        let done = seen
            .facts
            .iter()
            .filter(|fact| matches!(fact, Body::Job { state: JobState::Done, .. }));
        done.count() == 9
    };
    plane.has_seen("nine tickets", all).await;
    shutdown.cancel();
    within("the end", kiosk.stopped()).await;
}
