//! What a scanner adds is taken off, and one code has one form, however it was read.

use std::borrow::Cow;

use proptest::prelude::*;
use shanmen_protocols::{
    code::{Claims, sign, verify},
    device::CredentialKind::{self, ExchangeCode, Face, IdCard, Qr, Rfid},
    ids::{ProductId, SiteId, TicketId},
    reason::Reason,
};
use shanmen_rules::credential::{
    CREDENTIAL_MAX_BYTES, clean, is_id_number, looks_like_id_number, parse,
};

/// The text that is looked up, or the reason why none is.
fn read(kind: CredentialKind, raw: &str) -> Result<String, Reason> {
    parse(kind, &clean(raw)).map(|parsed| parsed.text().to_owned())
}

fn unreadable(kind: CredentialKind, raw: &str) {
    assert_eq!(read(kind, raw), Err(Reason::Unreadable), "{raw:?}");
}

#[test]
fn what_a_scanner_adds_is_taken_off() {
    for raw in [
        "ABC-12345",
        "ABC-12345\r\n",
        "  ABC-12345 \t",
        "\\000026ABC-12345",
        "]Q2\\000026ABC-12345\r",
        "]C1ABC-12345",
        "ABC-12345ABC-12345",
        "]Q2ABC-12345]Q2ABC-12345",
        "ABC-12345\r\nABC-12345\r\n",
        "ABC-12345\nABC-12345\nABC-12345\n",
        "\\000026ABC-12345\r\n\\000026ABC-12345\r\n",
    ] {
        let cleaned = clean(raw);
        assert_eq!(cleaned, "ABC-12345", "{raw:?}");
        assert!(matches!(cleaned, Cow::Borrowed(_)), "{raw:?} needs no memory");
    }
}

#[test]
fn what_a_chinese_keyboard_makes_of_a_code_is_undone() {
    for raw in [
        "ＡＢＣ－１２３４５",
        "\u{3000}ＡＢＣ－１２３４５\u{3000}",
        "、000026ABC-12345",
        "】Q2ABC-12345",
        "AB\u{200b}C-\u{200c}123\u{200d}4\u{2060}5",
        "\u{feff}ABC-12345",
        "ＡＢＣ－１２３４５ABC-12345",
    ] {
        assert_eq!(clean(raw), "ABC-12345", "{raw:?}");
    }
    assert_eq!(clean("a；b：c，d。e！f～g【h】"), "a;b:c,d.e!f~g[h]");
    assert_eq!(clean("票\u{3000}１"), "票 1", "only what stands for ASCII is changed");
}

#[test]
fn what_belongs_to_the_code_stays() {
    for raw in ["1111", "ABABAB", "ABCDEFGABCDEFG", "A B", "\\00002", "\\000026", "]Q2", "]1QA"] {
        assert_eq!(clean(raw), raw);
    }
    assert_eq!(clean("票票"), "票票");
    assert_eq!(clean("]Q-A"), "]Q-A");
    assert_eq!(clean("\\00002AB"), "\\00002AB");
    // Eight characters typed twice are one code.
    assert_eq!(clean("ABCDEFGHABCDEFGH"), "ABCDEFGH");
    assert_eq!(clean("\r\n"), "");
    // Two codes in one go are none; nothing is guessed.
    unreadable(Qr, "ABC-12345\r\nABC-12346");
}

#[test]
fn a_signed_code_in_lower_case_is_the_code() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let claims = Claims {
        site: SiteId::new("huangshan").unwrap(),
        ticket: TicketId(uuid::Uuid::from_u128(1)),
        product: ProductId::new("adult-day").unwrap(),
        persons: 1,
        epoch: 0,
        visit_date: None,
        slot_start_min: None,
        issued_at_s: 1_790_000_000,
        not_before_s: None,
        expires_s: None,
    };
    let code = sign(&claims, "k1", &key).unwrap();
    let shown = clean(&code);
    assert!(matches!(shown, Cow::Borrowed(_)), "a code as printed needs no memory");
    let lower = format!("{}\r\n", code.to_lowercase());
    assert_eq!(clean(&lower), code);
    assert_eq!(verify(&clean(&lower), |_| Some(key.verifying_key())), Ok(claims));
}

#[test]
fn a_code_that_only_begins_like_a_signed_one_keeps_its_case() {
    let body = |length: usize| "abcde23456".chars().cycle().take(length).collect::<String>();
    assert_eq!(clean(&format!("sm1{}", body(57))), format!("sm1{}", body(57)));
    assert_eq!(clean(&format!("sm1{}", body(58))), format!("SM1{}", body(58).to_uppercase()));
    for other in
        [format!("sm2{}", body(80)), format!("sm1-{}", body(80)), format!("Sm1{}", body(80))]
    {
        assert_eq!(clean(&other), other);
    }
}

#[test]
fn an_id_number_is_checked_before_it_is_looked_up() {
    // The example number of GB 11643-1999.
    for raw in [
        "11010519491231002X",
        "11010519491231002x",
        "110105 19491231 002X",
        "110105-19491231-002x",
        "１１０１０５１９４９１２３１００２Ｘ",
    ] {
        assert_eq!(read(IdCard, raw).as_deref(), Ok("11010519491231002X"), "{raw:?}");
    }
    for wrong in [
        "110105194912310021",  // another check digit
        "11010519491331002X",  // a thirteenth month
        "11010519491231002",   // a digit lost
        "1101051949123100",    // two lost
        "11010519491231002XX", // one too many
        "110105194912310021X", // one too many, all digits
        "",
    ] {
        assert!(!is_id_number(wrong), "{wrong:?}");
    }
    for wrong in ["110105194912310021", "11010519491331002X", "11010519491231002", ""] {
        unreadable(IdCard, wrong);
    }
    unreadable(IdCard, "1101051949123100");
    unreadable(IdCard, "110105194912310021X");
}

/// A number with the check character of GB 11643, worked out by ISO 7064's own recurrence.
fn with_check(digits: &str) -> String {
    let p = digits.bytes().fold(0_u32, |p, b| (p + u32::from(b - b'0')) * 2 % 11);
    let check = (12 - p) % 11;
    format!("{digits}{}", if check == 10 { "X".to_owned() } else { check.to_string() })
}

#[test]
fn a_birth_date_must_be_one() {
    for (date, good) in [
        ("18500101", true),
        ("18491231", false),
        ("21491231", true),
        ("21500101", false),
        ("20000001", false),
        ("20000101", true),
        ("20001201", true),
        ("20001301", false),
        ("20000100", false),
        ("20000131", true),
        ("20000132", false),
    ] {
        let number = with_check(&format!("110105{date}002"));
        assert!(looks_like_id_number(&number));
        assert_eq!(is_id_number(&number), good, "{number}");
    }
}

#[test]
fn any_other_document_is_letters_and_digits_in_upper_case() {
    for (raw, text) in [
        ("EA1234567", "EA1234567"),             // passport
        ("e12345678", "E12345678"),             // passport, typed in lower case
        ("P<1234567<<", "P1234567"),            // the filler of its machine-readable zone
        ("H12345678", "H12345678"),             // Hong Kong and Macau travel permit
        ("C1234 5678", "C12345678"),            // permit to go there
        ("12345678", "12345678"),               // Taiwan travel permit
        ("ABC123456789012", "ABC123456789012"), // permanent residence, before 2023
        ("110105491231002", "110105491231002"), // resident, first generation
        ("AB-12345-CD", "AB12345CD"),
        ("A1234", "A1234"),
        ("12345678901234567890A", ""),
        ("11010519491231002A", "11010519491231002A"), // no resident's: it ends in a letter
        ("A1234567890123456789", "A1234567890123456789"), // nor is this: it begins with one
        ("A123456789012345678B", "A123456789012345678B"),
    ] {
        if text.is_empty() {
            unreadable(IdCard, raw);
        } else {
            assert_eq!(read(IdCard, raw).as_deref(), Ok(text));
        }
    }
    for none in ["A123", "E1234567/8", "E12345_678", "护照12345678", "<<< ---"] {
        unreadable(IdCard, none);
    }
}

#[test]
fn a_permanent_residence_card_of_2023_follows_the_residents_rule() {
    let number = with_check("91156819850702001");
    assert_eq!(read(IdCard, &number).as_deref(), Ok(number.as_str()));
    let last = number.chars().last().unwrap();
    let wrong = format!("{}{}", &number[..17], if last == '1' { '2' } else { '1' });
    unreadable(IdCard, &wrong);
}

#[test]
fn a_cards_uid_has_one_form_however_the_reader_writes_it() {
    for raw in ["04a1b2c3", "04A1B2C3", "04:a1:b2:c3", "04-A1-B2-C3", "04 A1 B2 C3", "04A1:b2C3"] {
        assert_eq!(read(Rfid, raw).as_deref(), Ok("04A1B2C3"), "{raw:?}");
    }
    // The longest, ten bytes.
    assert_eq!(read(Rfid, "04a1b2c3d4e5f6070819").as_deref(), Ok("04A1B2C3D4E5F6070819"));
    for other in ["04a1b2c3d4e5f607081920", "04a", "04:a1:", ":04:a1", "04::a1", "0:4a", "card-7"] {
        assert_eq!(read(Rfid, other).as_deref(), Ok(other), "no UID, so as it is");
    }
}

#[test]
fn other_credentials_are_opaque() {
    for kind in [Qr, ExchangeCode, Face] {
        assert_eq!(read(kind, "04:a1").as_deref(), Ok("04:a1"));
        unreadable(kind, "a\u{7}b");
        unreadable(kind, "");
        assert!(read(kind, &"AB1".repeat(CREDENTIAL_MAX_BYTES / 3)).is_ok());
        unreadable(kind, &format!("{}B", "A".repeat(CREDENTIAL_MAX_BYTES)));
    }
    assert!(parse(Qr, &"A".repeat(CREDENTIAL_MAX_BYTES)).is_ok());
}

#[test]
fn nothing_is_shown_of_what_was_read() {
    let told = format!("{:?}", parse(IdCard, "11010519491231002x").unwrap());
    assert_eq!(told, "ParsedCredential(id_card, 18 bytes)");
    assert_eq!(format!("{:?}", parse(Rfid, "04:a1").unwrap()), "ParsedCredential(rfid, 4 bytes)");
}

/// A code that is no repetition and no lower-case signed code.
fn code() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9._/-]{2,40}[A-Za-z0-9]".prop_filter("typed once", |code| {
        let (first, second) = code.split_at(code.len() / 2);
        first != second
    })
}

fn full_width(text: &str) -> String {
    let wide = |c: char| char::from_u32(u32::from(c) + 0xFEE0).filter(|_| c.is_ascii_graphic());
    text.chars().map(|c| wide(c).unwrap_or(c)).collect()
}

proptest! {
    #[test]
    fn cleaning_twice_changes_nothing_more(raw in any::<String>()) {
        let cleaned = clean(&raw).into_owned();
        prop_assert_eq!(clean(&cleaned), cleaned.as_str());
    }

    /// Noise of the kinds that scanners make, in any order.
    #[test]
    fn cleaning_noise_twice_changes_nothing_more(
        parts in prop::collection::vec(
            prop::sample::select(&[
                "A", "B1", "ABCDEFGH", "ＡＢＣ", "\r\n", " ", "\u{3000}", "\u{200b}", "]Q2", "】",
                "\\000026", "、", "sm1", "票",
            ][..]),
            0..24,
        ),
        copies in 1_usize..5,
    ) {
        let raw = parts.concat().repeat(copies);
        let cleaned = clean(&raw).into_owned();
        prop_assert_eq!(clean(&cleaned), cleaned.as_str());
        prop_assert!(cleaned.len() <= raw.len());
        for kind in [Qr, Rfid, IdCard] {
            if let Ok(parsed) = parse(kind, &cleaned) {
                let again = parse(kind, parsed.text()).unwrap();
                prop_assert_eq!(again.text(), parsed.text(), "the one form has one form");
            }
        }
    }

    #[test]
    fn a_code_is_the_same_code_whatever_the_scanner_adds(
        code in code(),
        prefix in prop::sample::select(&["", "]Q2", "\\000026", "]Q2\\000026", "]d2"][..]),
        end in prop::sample::select(&["", "\r", "\n", "\r\n", " ", "\t\r\n"][..]),
        copies in 1_usize..4,
        wide in any::<bool>(),
    ) {
        // Without a line break between them only two copies of eight characters or more are
        // taken for one code.
        let broken = end.contains(['\r', '\n']);
        let copies = match copies {
            _ if broken => copies,
            1 => 1,
            _ if prefix.len() + code.len() < 8 || end == " " => 1,
            _ => 2,
        };
        let raw = format!("{prefix}{code}{end}").repeat(copies);
        let raw = if wide { full_width(&raw) } else { raw };
        prop_assert_eq!(clean(&raw), code.as_str());
        prop_assert_eq!(read(Qr, &raw), Ok(code));
    }

    #[test]
    fn a_check_digit_finds_every_wrong_digit_and_every_swap(
        digits in "[1-9][0-9]{5}19[0-9]{2}0[1-9]1[0-9][0-9]{3}",
        at in 0_usize..17,
        to in 1_u8..10,
    ) {
        let number = with_check(&digits);
        prop_assert!(is_id_number(&number));
        let mut wrong = number.clone().into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + to) % 10;
        prop_assert!(!is_id_number(std::str::from_utf8(&wrong).unwrap()));
        let mut swapped = number.clone().into_bytes();
        swapped.swap(at, (at + 1) % 17);
        let same = swapped == number.as_bytes();
        prop_assert_eq!(is_id_number(std::str::from_utf8(&swapped).unwrap()), same);
    }
}
