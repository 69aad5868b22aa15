//! A question's bytes in, an answer's bytes out (RFC 1035, RFC 6891 for EDNS).

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{NS, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::values::Values;
use super::zone::Zone;
use crate::limits::{DNS_DELEGATION_TTL, DNS_MAX_UDP, DNS_VALUE_TTL};

/// The length of a message's header, RFC 1035 §4.1.1.
const HEADER: usize = 12;

/// How large an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// What the asker says it takes, and [`DNS_MAX_UDP`].
    Udp,
    /// What a message can hold.
    Tcp,
}

/// The answer to `question`. `None` where there is to be none: to what is no question, so that two servers never go on
/// answering each other, and to what has no header.
pub(super) fn reply(zone: &Zone, values: &Values, question: &[u8], over: Over) -> Option<Vec<u8>> {
    let asked = match read(question)? {
        Ok(asked) => asked,
        Err(refusal) => return refusal.to_vec().ok(),
    };
    let mut answer = begin(&asked);
    match asked.queries.as_slice() {
        [query] if asked.version() == 0 => fill(&mut answer, zone, values, query),
        [_] => answer.metadata.response_code = ResponseCode::BADVERS,
        _ => answer.metadata.response_code = ResponseCode::FormErr,
    }
    let bytes = answer.to_vec().ok()?;
    let limit = match over {
        Over::Tcp => usize::from(u16::MAX),
        Over::Udp => usize::from(asked.max_payload().min(DNS_MAX_UDP)),
    };
    if bytes.len() <= limit { Some(bytes) } else { answer.truncate().to_vec().ok() }
}

/// An answer without content, no longer than `question`, that says to ask again over TCP, where nobody can pretend to be
/// somebody else.
pub(super) fn come_by_tcp(question: &[u8]) -> Option<Vec<u8>> {
    let Ok(asked) = read(question)? else { return None };
    let mut answer = begin(&asked);
    answer.metadata.truncation = true;
    answer.to_vec().ok().filter(|bytes| bytes.len() <= question.len())
}

/// The question, or what its sender is told of it.
fn read(question: &[u8]) -> Option<Result<Message, Message>> {
    let header = question.get(..HEADER)?;
    let is_response = header[2] & 0x80 != 0;
    if is_response {
        return None;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    let op_code = OpCode::from_u8((header[2] >> 3) & 0x0f);
    // Looked at before the rest, which means something else in other operations.
    if op_code != OpCode::Query {
        return Some(Err(Message::error_msg(id, op_code, ResponseCode::NotImp)));
    }
    Some(Message::from_vec(question).map_err(|_| Message::error_msg(id, op_code, ResponseCode::FormErr)))
}

fn begin(asked: &Message) -> Message {
    let mut answer = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = asked.metadata.recursion_desired;
    answer.add_queries(asked.queries.iter().cloned());
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(DNS_MAX_UDP);
        answer.set_edns(edns);
    }
    answer
}

fn fill(answer: &mut Message, zone: &Zone, values: &Values, query: &Query) {
    if !zone.apex.zone_of(query.name()) || query.query_class() != DNSClass::IN {
        answer.metadata.response_code = ResponseCode::Refused;
        return;
    }
    let kind = query.query_type();
    if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
        answer.metadata.response_code = ResponseCode::Refused;
        return;
    }
    answer.metadata.authoritative = true;
    if query.name().num_labels() != zone.apex.num_labels() {
        answer.metadata.response_code = ResponseCode::NXDomain;
        answer.add_authority(soa(zone, values, &zone.apex));
        return;
    }
    // Owner names are written as they were asked for: some askers mix upper and lower case and compare.
    let owner = query.name();
    let records = match kind {
        RecordType::TXT => {
            let text = |value: String| RData::TXT(TXT::new(vec![value]));
            let record = |value| Record::from_rdata(owner.clone(), DNS_VALUE_TTL, text(value));
            values.read_as_asked().into_iter().map(record).collect()
        }
        RecordType::NS => {
            let name = RData::NS(NS(zone.nameserver.clone()));
            vec![Record::from_rdata(owner.clone(), DNS_DELEGATION_TTL, name)]
        }
        // One record for ANY, too: RFC 8482 §4.1.
        RecordType::SOA | RecordType::ANY => vec![soa(zone, values, owner)],
        _ => Vec::new(),
    };
    if records.is_empty() {
        answer.add_authority(soa(zone, values, owner));
    }
    answer.add_answers(records);
}

/// Its last field is how long others remember that there was nothing (RFC 2308 §5): as short as can be, because soon
/// there is something.
fn soa(zone: &Zone, values: &Values, owner: &Name) -> Record {
    let contact = zone.nameserver.prepend_label("hostmaster").unwrap_or_else(|_| zone.nameserver.clone());
    let data = SOA::new(zone.nameserver.clone(), contact, values.serial(), 3600, 600, 86_400, DNS_VALUE_TTL);
    Record::from_rdata(owner.clone(), DNS_VALUE_TTL, RData::SOA(data))
}

#[cfg(test)]
mod tests;
