//! Lists: what is in force is what was announced, whatever comes in between.

use shanmen_protocols::device::CHUNK_MAX_BYTES;

use super::*;

const WANTED: &[&str] = &["deny", "tickets"];

fn manifest(name: &str, version: u64, text: &str) -> ListDown {
    ListDown {
        name: name.into(),
        version,
        base: None,
        sha256: sha256(text),
        count: text.lines().count().try_into().unwrap(),
        bytes: text.len().try_into().unwrap(),
        add: vec![],
        remove: vec![],
    }
}

fn chunk(list: &ListDown, text: &str, what: &What) -> ListChunk {
    let What::List { name, offset, .. } = what else { panic!("{what:?}") };
    let from = usize::try_from(*offset).unwrap();
    let until = text.len().min(from + CHUNK_MAX_BYTES);
    ListChunk {
        name: name.clone(),
        version: list.version,
        offset: *offset,
        bytes: list.bytes,
        sha256: list.sha256.clone(),
        data: BASE64.encode(&text.as_bytes()[from..until]),
    }
}

/// Answers every question until there is none.
fn serve(lists: &mut Lists, mut step: Step, list: &ListDown, text: &str) -> (Step, u32) {
    let mut asked = 0;
    while let Step::Ask(what) = &step {
        asked += 1;
        assert!(asked < 1_000, "asks for ever");
        step = lists.chunk(Some(chunk(list, text, what)));
    }
    (step, asked)
}

fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |text, n| format!("{text}{n:032x}\n"))
}

#[test]
fn a_list_is_fetched_in_chunks_and_put_in_force_as_a_whole() {
    let text = lines(2_000);
    let list = manifest("deny", 4, &text);
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    let step = lists.announced(list.clone());
    assert_eq!(lists.get("deny"), None);
    let (step, asked) = serve(&mut lists, step, &list, &text);
    assert_eq!((step, asked), (Step::Swapped("deny".into()), 5));
    assert_eq!(&*lists.get("deny").unwrap().text, text);
    assert_eq!(lists.announced(list), Step::Report, "it is held already");
}

#[test]
fn a_change_is_taken_only_where_its_result_is_the_announced_one() {
    for end in ["\n", ""] {
        let (old, new) = (format!("a\nb\nd{end}"), format!("a\nc\nd{end}"));
        let mut lists = Lists::new(WANTED, BTreeMap::new());
        let first = manifest("deny", 1, &old);
        let step = lists.announced(first.clone());
        serve(&mut lists, step, &first, &old);
        let change = ListDown {
            base: Some(1),
            add: vec!["c".into()],
            remove: vec!["b".into()],
            ..manifest("deny", 2, &new)
        };
        assert_eq!(lists.announced(change.clone()), Step::Swapped("deny".into()));
        assert_eq!(&*lists.get("deny").unwrap().text, new);
        // Of a version that is not held, or with another result: the whole list.
        let stranger = ListDown { base: Some(7), version: 3, ..change.clone() };
        assert!(matches!(lists.announced(stranger), Step::Ask(_)));
        let wrong = ListDown { base: Some(2), version: 4, sha256: sha256("x"), ..change };
        assert!(matches!(lists.announced(wrong), Step::Ask(_)));
        assert_eq!(lists.get("deny").unwrap().version, 2);
    }
}

#[test]
fn a_list_of_another_digest_never_comes_in_force() {
    let list = ListDown { sha256: sha256("other"), ..manifest("deny", 1, "a\n") };
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    let step = lists.announced(list.clone());
    let (step, asked) = serve(&mut lists, step, &list, "a\n");
    assert_eq!((step, asked), (Step::Report, 3));
    assert_eq!(lists.get("deny"), None);
}

#[test]
fn what_is_not_wanted_or_too_long_is_left() {
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    assert_eq!(lists.announced(manifest("menu", 1, "a\n")), Step::Nothing);
    let long = ListDown { bytes: LIST_MAX_BYTES + 1, ..manifest("deny", 1, "a\n") };
    assert_eq!(lists.announced(long), Step::Report);
}

#[test]
fn lists_come_one_after_the_other_and_an_answer_that_never_came_holds_up_no_other() {
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    let (deny, tickets) = (manifest("deny", 1, "a\n"), manifest("tickets", 1, "b\n"));
    assert!(matches!(lists.announced(deny), Step::Ask(_)));
    assert_eq!(lists.announced(tickets.clone()), Step::Nothing);
    let step = lists.give_up();
    let (step, _) = serve(&mut lists, step, &tickets, "b\n");
    assert_eq!(step, Step::Swapped("tickets".into()));
    assert_eq!(lists.versions().keys().collect::<Vec<_>>(), ["tickets"]);
}

#[test]
fn a_newer_version_takes_the_place_of_the_one_on_its_way() {
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    let (old, new) = (manifest("deny", 1, &lines(1_000)), manifest("deny", 2, "b\n"));
    assert!(matches!(lists.announced(old), Step::Ask(_)));
    let step = lists.announced(new.clone());
    let (step, _) = serve(&mut lists, step, &new, "b\n");
    assert_eq!(step, Step::Swapped("deny".into()));
    assert_eq!(lists.get("deny").unwrap().version, 2);
}

#[test]
fn an_empty_list_is_a_list() {
    let mut lists = Lists::new(WANTED, BTreeMap::new());
    let list = manifest("deny", 1, "");
    let step = lists.announced(list.clone());
    let (step, _) = serve(&mut lists, step, &list, "");
    assert_eq!(step, Step::Swapped("deny".into()));
}
