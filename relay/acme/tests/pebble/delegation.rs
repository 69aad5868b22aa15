//! The DNS server over real sockets.

use std::net::Ipv4Addr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::keeper::Dns;
use crate::within;

fn question() -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("_acme-challenge.relay.example.").unwrap(), RecordType::TXT));
    message.to_vec().unwrap()
}

async fn over_tcp(stream: &mut TcpStream, question: &[u8]) -> Message {
    stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
    stream.write_all(question).await.unwrap();
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

#[tokio::test]
async fn a_source_that_asks_too_often_is_sent_to_tcp_where_it_is_answered() {
    let dns = Dns::start().await;
    let _shown = dns.values.show("value");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(dns.address).await.unwrap();
    let (question, mut buffer) = (question(), [0; 2000]);
    let mut answered = 0;
    within("an answer that is cut", async {
        loop {
            socket.send(&question).await.unwrap();
            let length = socket.recv(&mut buffer).await.unwrap();
            let answer = Message::from_vec(&buffer[..length]).unwrap();
            if answer.metadata.truncation {
                assert!(length <= question.len() && answer.answers.is_empty());
                return;
            }
            assert_eq!(answer.answers.len(), 1);
            answered += 1;
        }
    })
    .await;
    assert!(answered >= 100, "{answered}");
    let mut stream = TcpStream::connect(dns.address).await.unwrap();
    for _ in 0..3 {
        assert_eq!(within("an answer", over_tcp(&mut stream, &question)).await.answers.len(), 1);
    }
}

#[tokio::test]
async fn connections_that_say_nothing_or_too_much_are_closed_and_others_are_answered_meanwhile() {
    let dns = Dns::start().await;
    let mut silent = TcpStream::connect(dns.address).await.unwrap();
    let mut long = TcpStream::connect(dns.address).await.unwrap();
    long.write_u16(5000).await.unwrap();
    assert_eq!(within("the end of it", long.read(&mut [0; 1])).await.unwrap(), 0);
    let mut stream = TcpStream::connect(dns.address).await.unwrap();
    assert!(within("an answer", over_tcp(&mut stream, &question())).await.answers.is_empty());
    assert_eq!(within("the end of silence", silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
}
