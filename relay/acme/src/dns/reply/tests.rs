use hickory_proto::op::ResponseCode;
use proptest::prelude::*;

use super::*;

fn zone() -> (Zone, Values) {
    (Zone::of_domain("relay.example").unwrap(), Values::new())
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn ask(zone: &(Zone, Values), message: &Message) -> Message {
    let answer = reply(&zone.0, &zone.1, &message.to_vec().unwrap(), Over::Udp).expect("an answer");
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert!(!answer.metadata.recursion_available);
    answer
}

fn texts(answer: &Message) -> Vec<String> {
    answer.answers.iter().map(|record| record.data.to_string().trim_matches('"').to_owned()).collect()
}

#[test]
fn values_are_answered_while_they_are_shown() {
    let zone = zone();
    let asked = question("_acme-challenge.relay.example.", RecordType::TXT);
    assert!(texts(&ask(&zone, &asked)).is_empty());
    let (one, two) = (zone.1.show("one"), zone.1.show("two"));
    let answer = ask(&zone, &asked);
    assert_eq!(texts(&answer), ["one", "two"]);
    assert!(answer.metadata.authoritative);
    drop(one);
    assert_eq!(texts(&ask(&zone, &asked)), ["two"]);
    drop(two);
    let nothing = ask(&zone, &asked);
    assert_eq!((nothing.metadata.response_code, nothing.authorities.len()), (ResponseCode::NoError, 1));
    assert_eq!(zone.1.asked(), 4);
}

#[test]
fn the_name_comes_back_as_it_was_written() {
    let zone = zone();
    let _shown = zone.1.show("value");
    let answer = ask(&zone, &question("_aCmE-ChAlLeNgE.rElAy.ExAmPlE.", RecordType::TXT));
    assert_eq!(answer.queries[0].name().to_ascii(), "_aCmE-ChAlLeNgE.rElAy.ExAmPlE.");
    assert_eq!(answer.answers[0].name.to_ascii(), "_aCmE-ChAlLeNgE.rElAy.ExAmPlE.");
    assert_eq!(texts(&answer), ["value"]);
}

#[test]
fn the_zone_says_who_answers_for_it() {
    let zone = zone();
    let ns = ask(&zone, &question("_acme-challenge.relay.example.", RecordType::NS));
    assert_eq!(texts(&ns), ["relay.example."]);
    let serial = |zone: &(Zone, Values)| {
        let answer = ask(zone, &question("_acme-challenge.relay.example.", RecordType::SOA));
        let RData::SOA(soa) = &answer.answers[0].data else { panic!("no SOA") };
        soa.serial
    };
    let before = serial(&zone);
    let _shown = zone.1.show("value");
    assert_eq!(serial(&zone), before + 1);
}

#[test]
fn everything_else_is_refused_or_is_not_there() {
    let zone = zone();
    let _shown = zone.1.show("value");
    let code = |name: &str, kind| {
        let answer = ask(&zone, &question(name, kind));
        assert!(answer.answers.is_empty(), "{name} {kind}");
        (answer.metadata.response_code, answer.authorities.len())
    };
    for elsewhere in ["relay.example.", "example.", "www.relay.example.", "_acme-challenge.other.example.", "."] {
        assert_eq!(code(elsewhere, RecordType::TXT), (ResponseCode::Refused, 0), "{elsewhere}");
    }
    assert_eq!(code("_acme-challenge.relay.example.", RecordType::AXFR), (ResponseCode::Refused, 0));
    assert_eq!(code("_acme-challenge.relay.example.", RecordType::AAAA), (ResponseCode::NoError, 1));
    assert_eq!(code("www._acme-challenge.relay.example.", RecordType::TXT), (ResponseCode::NXDomain, 1));
    let mut chaos = question("_acme-challenge.relay.example.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(ask(&zone, &chaos).metadata.response_code, ResponseCode::Refused);
}

#[test]
fn any_is_answered_with_one_record() {
    let zone = zone();
    let _shown: Vec<_> = (0..20).map(|number| zone.1.show(&format!("value {number}"))).collect();
    let answer = ask(&zone, &question("_acme-challenge.relay.example.", RecordType::ANY));
    assert_eq!((answer.answers.len(), answer.answers[0].record_type()), (1, RecordType::SOA));
}

#[test]
fn an_answer_is_cut_where_the_asker_takes_no_more_and_whole_over_tcp() {
    let zone = zone();
    let _shown: Vec<_> = (0..40).map(|number| zone.1.show(&format!("{number:043}"))).collect();
    let mut asked = question("_acme-challenge.relay.example.", RecordType::TXT);
    for payload in [None, Some(100), Some(1000), Some(65_535)] {
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            asked.set_edns(edns);
        }
        let answer = reply(&zone.0, &zone.1, &asked.to_vec().unwrap(), Over::Udp).unwrap();
        assert!(answer.len() <= 512, "{}", answer.len());
        let answer = Message::from_vec(&answer).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty());
    }
    let whole = reply(&zone.0, &zone.1, &asked.to_vec().unwrap(), Over::Tcp).unwrap();
    assert_eq!(Message::from_vec(&whole).unwrap().answers.len(), 40);
}

#[test]
fn edns_is_answered_with_edns_and_a_version_to_come_with_badvers() {
    let zone = zone();
    let mut asked = question("_acme-challenge.relay.example.", RecordType::TXT);
    assert!(ask(&zone, &asked).edns.is_none());
    asked.set_edns(Edns::new());
    assert_eq!(ask(&zone, &asked).edns.unwrap().max_payload(), DNS_MAX_UDP);
    let mut edns = Edns::new();
    edns.set_version(1);
    asked.set_edns(edns);
    // The number is the same as BADSIG's, which is what the library reads it as.
    assert_eq!(u16::from(ask(&zone, &asked).metadata.response_code), u16::from(ResponseCode::BADVERS));
}

#[test]
fn what_is_no_question_is_not_answered_and_what_cannot_be_read_is_told_so() {
    let (zone, values) = zone();
    let mut asked = question("_acme-challenge.relay.example.", RecordType::TXT).to_vec().unwrap();
    assert_eq!(reply(&zone, &values, &asked[..11], Over::Udp), None);
    let code = |bytes: &[u8]| reply(&zone, &values, bytes, Over::Udp).map(|answer| answer[3] & 0x0f);
    assert_eq!(code(&asked[..20]), Some(1), "FORMERR");
    assert_eq!(code(&Message::query().to_vec().unwrap()), Some(1), "FORMERR: no question");
    asked[2] |= 5 << 3;
    assert_eq!(code(&asked), Some(4), "NOTIMP: an update");
    asked[2] |= 0x80;
    assert_eq!(code(&asked), None, "a response");
    assert_eq!(come_by_tcp(&asked), None);
}

#[test]
fn who_is_sent_to_tcp_gets_no_more_than_it_sent() {
    let (zone, values) = zone();
    let _shown = values.show("value");
    let asked = question("_acme-challenge.relay.example.", RecordType::TXT).to_vec().unwrap();
    let answer = come_by_tcp(&asked).unwrap();
    assert!(answer.len() <= asked.len());
    let answer = Message::from_vec(&answer).unwrap();
    assert!(answer.metadata.truncation && answer.answers.is_empty());
    assert!(reply(&zone, &values, &asked, Over::Udp).unwrap().len() < asked.len() * 3);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_bounds_or_not_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (zone, values) = zone();
        let _shown = values.show("value");
        for over in [Over::Udp, Over::Tcp] {
            if let Some(answer) = reply(&zone, &values, &bytes, over) {
                prop_assert_eq!(&answer[..2], &bytes[..2]);
                prop_assert!(answer[2] & 0x80 != 0);
                prop_assert!(answer.len() <= 512);
            }
        }
        if let Some(answer) = come_by_tcp(&bytes) {
            prop_assert!(answer.len() <= bytes.len());
        }
    }
}
