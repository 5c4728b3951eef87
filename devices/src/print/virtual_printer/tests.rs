//! A ticket over TCP to the virtual printer and back from its paper.

use std::sync::Arc;

use super::*;
use crate::print::{
    driver::{Fault, Form, Manner, Printer},
    sink::Place,
    ticket::tests::{CODE, read_qr, ticket},
};

async fn pair(manner: Manner) -> (VirtualPrinter, Printer) {
    let paper = VirtualPrinter::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let place = Place::Tcp { address: paper.address().to_string() };
    (paper, Printer::new(Arc::new(place), manner))
}

fn quick() -> Manner {
    Manner { step_ms: 1_000, paper_ms: 2_000, ..Manner::default() }
}

#[tokio::test]
async fn what_is_printed_over_tcp_reads_as_the_same_code() {
    for head_dots in [576, 640] {
        let (paper, printer) = pair(Manner { head_dots, ..quick() }).await;
        let job = printer.render(&ticket()).unwrap();
        printer.print(&job.bytes).await.unwrap();
        let pages = paper.pages();
        assert_eq!(pages.len(), 1);
        assert!(pages[0].whole);
        let picture = pages[0].picture().unwrap();
        assert_eq!((picture.width(), picture.height()), (head_dots, 1440));
        assert_eq!(read_qr(&picture).as_deref(), Some(CODE));
    }
}

#[tokio::test]
async fn text_in_the_printers_own_font_reads_back_too() {
    let (paper, printer) = pair(Manner { form: Form::Text, ..quick() }).await;
    printer.print(&printer.render(&ticket()).unwrap().bytes).await.unwrap();
    let page = paper.pages().remove(0);
    assert_eq!(page.qr, [CODE]);
    assert!(page.text().contains("成人日票（含索道往返）"), "{}", page.text());
    assert!(page.text().contains("票价 Price: ¥230.50"), "{}", page.text());
}

#[tokio::test]
async fn without_paper_nothing_is_begun() {
    let (paper, printer) = pair(quick()).await;
    let job = printer.render(&ticket()).unwrap();
    for (status, word) in [
        (Status { no_paper: true, ..Status::default() }, "no_paper"),
        (Status { cover_open: true, ..Status::default() }, "cover_open"),
        (Status { fault: true, ..Status::default() }, "fault"),
    ] {
        paper.set_status(status);
        assert_eq!(printer.print(&job.bytes).await, Err(Fault::Before(word.into())));
    }
    paper.set_status(Status { low_paper: true, ..Status::default() });
    assert_eq!(printer.status().await.unwrap().map(|status| status.low_paper), Some(true));
    assert_eq!(printer.print(&job.bytes).await, Ok(()));
    assert_eq!(paper.count(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_leaves_a_torn_page_and_a_doubt() {
    let (paper, printer) = pair(quick()).await;
    let job = printer.render(&ticket()).unwrap();
    paper.after(job.bytes.len() / 2, Mishap::Break);
    assert!(matches!(printer.print(&job.bytes).await, Err(Fault::Amid(_))));
    paper.printed(1).await;
    assert!(!paper.pages()[0].whole);
    printer.print(&job.bytes).await.unwrap();
    assert!(paper.pages()[1].whole);
}

#[tokio::test]
async fn paper_that_runs_out_in_the_middle_leaves_a_doubt() {
    let (paper, printer) = pair(Manner { paper_ms: 300, ..quick() }).await;
    let job = printer.render(&ticket()).unwrap();
    paper.after(job.bytes.len() / 2, Mishap::PaperEnds);
    assert!(matches!(printer.print(&job.bytes).await, Err(Fault::Amid(_))));
    paper.printed(1).await;
    assert!(paper.pages().iter().all(|page| !page.whole));
    assert_eq!(printer.print(&job.bytes).await, Err(Fault::Before("no_paper".into())));
}

#[tokio::test]
async fn a_printer_that_is_not_there_has_printed_nothing() {
    let (paper, printer) = pair(quick()).await;
    drop(paper);
    tokio::task::yield_now().await;
    let fault = printer.print(b"x").await.unwrap_err();
    assert!(matches!(fault, Fault::Before(_)), "{fault}");
}
