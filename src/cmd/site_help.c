// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What each key of CONFIG is for: a row a key of the schema in site.c. test_site.c compares them. */
#include "site.h"
#include <string.h>

static const struct {
	const char *path, *help;
} rows[] = {
	{"site", "Name of this site; the peers' configurations name it too."},
	{"state_folder", "Folder of the databases and the audit log; made where it is missing, its "
			 "parent must exist."},
	{"run_folder", "Folder of the control socket: /run/merlon/NAME, or commands do not find "
		       "the site."},
	{"user", "User without rights that the processes become once their ports and files are "
		 "open."},
	{"kek_file",
		"Key-encryption key: 32 random octets, raw or hex, for root alone. All keys "
		"that are stored are sealed under it. Needed, but by an auc with a root of its "
		"own."},
	{"log_level", "The least level that is logged: debug, info (default), notice, warn, error. "
		      "Taken by a reload."},
	{"tls", "Who this site is towards other sites: TLS between key stores, quantum links and "
		"gateways."},
	{"tls.certificate", "Certificate chain, PEM."},
	{"tls.key", "Its private key, PEM, for root alone."},
	{"tls.ca", "Certificates of the authorities that may certify the other site, PEM."},
	{"peer", "The other site."},
	{"peer.site", "Its name, as `site` in its own configuration."},
	{"peer.certificate_name", "The common name or DNS name that its certificate must have."},
	{"peer.address", "Its address on the backhaul."},
	{"metrics", "OpenMetrics over HTTP. Without encryption: an inside address."},
	{"metrics.address", "Address to listen on."},
	{"metrics.port", "Port to listen on."},
	{"auc", "The authentication centre."},
	{"auc.gsup", "Where serving nodes connect with GSUP. The protocol has no authentication: "
		     "an inside address."},
	{"auc.gsup.address", "Address to listen on."},
	{"auc.gsup.port", "Port to listen on; 4222 is usual."},
	{"auc.passphrase_file",
		"The root of the authentication centre's keys is a passphrase: one line of 12 to "
		"1024 octets, for root alone. Instead of kek_file."},
	{"auc.token", "The root is a key in a PKCS#11 token (an HSM). Instead of kek_file."},
	{"auc.token.module", "The token's PKCS#11 library."},
	{"auc.token.token", "Label of the token."},
	{"auc.token.key", "Label of the secret key in it; `merlon auc token-key` makes it."},
	{"auc.token.pin_file", "The user PIN, one line, for root alone."},
	{"auc.token.environment",
		"NAME=VALUE for the library, at most 4, such as where its own configuration is."},
	{"auc.kek_file_before",
		"The former root, while the root changes: what opens under it alone "
		"is wrapped anew."},
	{"auc.passphrase_file_before", "The former root, where that was a passphrase."},
	{"auc.token_before", "The former root, where that was a token."},
	{"auc.token_before.module", "As auc.token.module."},
	{"auc.token_before.token", "As auc.token.token."},
	{"auc.token_before.key", "As auc.token.key."},
	{"auc.token_before.pin_file", "As auc.token.pin_file."},
	{"auc.token_before.environment", "As auc.token.environment."},
	{"auc.vault", "What the vault grants, whoever asks. 0: no limit."},
	{"auc.vault.rate_per_s",
		"Vectors a second of all subscribers, and as many at once. Default "
		"1000000."},
	{"auc.vault.subscriber_burst", "Vectors that one subscriber gets at once. Default 8192, or "
				       "twice a lease_ahead above 4096."},
	{"auc.vault.subscriber_per_hour",
		"Vectors an hour that one gets after that. Default 3600."},
	{"auc.vault.auts_burst",
		"AUTS of one subscriber that are looked at, at once. Default 256."},
	{"auc.vault.auts_per_hour", "AUTS of one an hour after that. Default 360."},
	{"auc.transport_keys",
		"Keys under which vendors of cards encrypted K and OPc of a batch, at "
		"most 16. Read by an import's vault alone."},
	{"auc.transport_keys.name", "What an import calls it."},
	{"auc.transport_keys.algorithm", "aes-128-ecb, aes-256-ecb, aes-128-cbc, aes-256-cbc, "
					 "3des-ecb, 3des-cbc. 3DES: for old batches."},
	{"auc.transport_keys.key_file", "The key, raw or hex, for root alone."},
	{"auc.transport_keys.iv", "Of CBC, hex, the same for each field. Default zeros."},
	{"auc.transport_keys.kcv",
		"The first 3 octets of an encrypted block of zeros, hex: another "
		"key is refused at the start."},
	{"auc.transport_keys.fields",
		"What is encrypted: [k], or [k, opc] (OP, TOP and TOPc alike)."},
	{"auc.profiles", "An operator's own MILENAGE constants, at most 15. They must stay as the "
			 "cards have them."},
	{"auc.profiles.number", "1 to 15; an import names it."},
	{"auc.profiles.r", "r1 to r5, in bits."},
	{"auc.profiles.c", "c1 to c5, 32 hex digits each."},
	{"auc.allow_xor",
		"Whether test cards with the XOR algorithm may be imported and computed. It "
		"hides no key. Default no."},
	{"auc.peers", "Serving nodes that may connect, and what they may ask. Absent: whoever "
		      "connects may ask for any IMSI. Taken by a reload."},
	{"auc.peers.name",
		"Its name in the IPA identity (serial number, else unit name), exactly."},
	{"auc.peers.addresses", "Addresses or ADDRESS/BITS that it comes from, at most 8. Absent: "
				"any."},
	{"auc.peers.plmns", "MCC and MNC, 5 or 6 digits, at most 32: it may ask for IMSIs that "
			    "begin so. Absent: any."},
	{"auc.peers.rate_per_s", "Requests a second that it may ask. Default auc.rate_per_s."},
	{"auc.peers.burst", "Requests that it may ask at once. Default twice its rate."},
	{"auc.peers.vectors_max", "The most vectors that one request of it gets. Default 5."},
	{"auc.rate_per_s",
		"Requests a second of one peer; more wait, then are refused as congestion. "
		"Absent: no limit. Taken by a reload."},
	{"auc.lease_ahead", "Seconds that sequence numbers are leased ahead: what one subscriber "
			    "may be asked for at once. Default 4096."},
	{"auc.subscribers_max", "The most subscribers; room is reserved for them at the start, and "
				"taken as they come. Default 4194304."},
	{"auc.vectors_burst", "Vectors that one subscriber may be asked for at once; above it the "
			      "alarm auc_harvest. Default 4096."},
	{"auc.vectors_per_hour", "So many an hour may follow on top of them. Default 3600."},
	{"auc.resyncs_burst",
		"Resynchronisations of one subscriber at once, genuine or not; above it "
		"the alarm auc_resync_abuse. Default 8."},
	{"auc.resyncs_per_hour", "So many an hour may follow on top of them. Default 30."},
	{"auc.peers_max", "The most GSUP connections at a time. Default 256, at most 4096."},
	{"qkd", "One end of a quantum link. Needs kms."},
	{"qkd.link", "Name of the link, alike at both ends. A new name begins a new life of it."},
	{"qkd.role", "alice sends light, bob measures it."},
	{"qkd.driver", "Where the records of the optical device come from: a Unix socket, or what "
		       "qkd.device.kind says."},
	{"qkd.device", "How the optical device is reached. Without it: a Unix socket."},
	{"qkd.device.kind", "socket; tcp: ADDRESS:PORT, in the clear on loopback alone, else TLS; "
			    "file: a recording of our own; s15: a file of 64-bit time stamps of "
			    "125 ps. Default socket."},
	{"qkd.device.name", "tcp: the name in the device's certificate."},
	{"qkd.device.pace", "Files: so many times as fast as it was. 0: as fast as they can be "
			    "read. Default 1."},
	{"qkd.device.record", "Append the device's records to this file, octet for octet. It holds "
			      "raw key material."},
	{"qkd.device.record_allowed", "true: record may be set. Default false."},
	{"qkd.device.replay_allowed",
		"true: key may be made of a file: it is as secret as that file. Default false."},
	{"qkd.device.session", "s15: the session of the other end's device, 32 hex digits."},
	{"qkd.device.slots_per_second", "s15: pulses a second of the source."},
	{"qkd.gate", "How the times of a free-running receiver become slots."},
	{"qkd.gate.offset_ps", "When slot 0 begins, on the receiver's clock. Default 0."},
	{"qkd.gate.window",
		"Width of the gate, as a fraction of a slot. At most 0.5. Default 0.5."},
	{"qkd.gate.drift_ppm",
		"By how much the clocks of source and receiver may differ. Default 10."},
	{"qkd.gate.channels", "The detector of each channel: X0, X1, Z0, Z1 or -. Default: X0 X1 "
			      "Z0 Z1."},
	{"qkd.bootstrap_file", "The first authentication secret: the same file at both ends, used "
			       "once in the life of the link's name."},
	{"qkd.channel", "The classical channel to the other end, TLS."},
	{"qkd.channel.role", "listen or connect; the other end has the other."},
	{"qkd.channel.address", "Address to listen on, or to connect to."},
	{"qkd.channel.port", "Port to listen on, or to connect to."},
	{"qkd.block_bits", "Sifted key bits of a block. Larger blocks give more key a photon and "
			   "later. Default 120000."},
	{"qkd.ring_slots",
		"Alice: newest slots of the device that are kept until Bob says where he "
		"detected. A power of two. Default 16777216."},
	{"qkd.frames_in_flight", "Frames of error correction that are worked on at once: more of "
				 "them on a long line. Alike at both ends. Default 64."},
	{"qkd.error_correction",
		"auto, cascade or ldpc; auto takes what the other end is set to. Default auto."},
	{"qkd.protocol",
		"Parameters of decoy-state BB84. All but qber_max must be alike at both ends."},
	{"qkd.protocol.kind", "two-decoy (Lim 2014) or one-decoy (Rusca 2018: no mu3, no p3). "
			      "Default two-decoy."},
	{"qkd.protocol.mu1", "Mean photon number of the signal intensity. Default 0.6."},
	{"qkd.protocol.mu2", "Of the first decoy intensity. Default 0.22."},
	{"qkd.protocol.mu3", "Of the second, near the vacuum. Default 0.0002."},
	{"qkd.protocol.p1", "How often the signal is sent. The three add up to 1. Default 0.2."},
	{"qkd.protocol.p2", "How often the first decoy is sent. Default 0.55."},
	{"qkd.protocol.p3", "How often the second decoy is sent. Default 0.25."},
	{"qkd.protocol.basis_x", "How often each end chooses the key basis. Default 0.75."},
	{"qkd.protocol.qber_max",
		"A test error rate above it aborts the block and raises an alarm. Default 0.08."},
	{"qkd.protocol.eps_sec_exponent", "Secrecy: the key differs from an ideal one by at most "
					  "ten to minus this. Default 10."},
	{"qkd.protocol.eps_cor_exponent", "Correctness: the ends differ unnoticed with at most ten "
					  "to minus this. Default 15."},
	{"qkd.protocol.final_bits_fixed", "Every block makes exactly so many bits, or none. 0: as "
					  "many as its counts allow. Default 0."},
	{"qkd.random",
		"A hardware source of randomness, watched by health tests and mixed with the "
		"system's. Without it the system's generator is used alone."},
	{"qkd.random.device", "The device or FIFO that gives raw samples, such as /dev/hwrng."},
	{"qkd.random.sample_bits", "Bits of a sample: 8, or 1 with eight samples an octet. "
				   "Default 8."},
	{"qkd.random.min_entropy",
		"Bits of min-entropy of a sample, as its maker claims; health is "
		"tested against it. Default 4, for samples of 8 bits."},
	{"qkd.watch",
		"What the optical device must keep, by its own instruments and by its clicks."},
	{"qkd.watch.monitor", "auto: records of the instruments are required of a device that has "
			      "them; required; off: nothing is watched. Default auto."},
	{"qkd.watch.alpha_exponent", "A sound device is refused by chance in at most one block of "
				     "ten to this power. Default 6."},
	{"qkd.watch.unequal_max", "By which fraction the clicks of two detectors of one basis may "
				  "differ, beyond chance. Default 0.05."},
	{"qkd.watch.intensity_tolerance",
		"By which fraction a measured intensity may differ. Default 0.05."},
	{"qkd.watch.gate_centre_least",
		"How many of the clicks must come in the middle half of the gate. Default 0.9."},
	{"qkd.watch.doubles_least", "How many of the double clicks that so much light makes must "
				    "be there. Default 0.5."},
	{"qkd.watch.bias_na_max", "Largest bias current of a sound detector, nA. Default: what the "
				  "device says."},
	{"qkd.watch.power_pw_max", "Largest input power of a sound detector, pW. Default: what the "
				   "device says."},
	{"kms", "The key store: keys of QKD, ML-KEM and X25519 combined. Needs tls and peer."},
	{"kms.kme_id", "Name of this key management entity, as clients see it."},
	{"kms.peering", "The link to the other site's key store, TLS."},
	{"kms.peering.role", "listen or connect; the other site has the other."},
	{"kms.peering.address", "Address to listen on, or to connect to."},
	{"kms.peering.port", "Port to listen on, or to connect to."},
	{"kms.api",
		"ETSI GS QKD 014 for clients (SAEs) of this site, HTTPS with client certificates."},
	{"kms.api.address", "Address to listen on."},
	{"kms.api.port", "Port to listen on."},
	{"kms.api.certificate", "Server certificate chain, PEM."},
	{"kms.api.key", "Its private key, PEM, for root alone."},
	{"kms.api.ca", "Certificates of the authorities that may certify clients, PEM."},
	{"kms.api.sae_identity", "What in a client's certificate is its SAE name: cn, dns or uri."},
	{"kms.api.rate_per_s",
		"Requests a second and SAE, twice that at once. Default 5000. Taken by a reload."},
	{"kms.saes", "SAEs of this site that may ask. Absent: any name that the CA certifies. The "
		     "gateway's is always one."},
	{"kms.peer_saes", "SAEs of the other site that keys may be shared with. Absent: any. The "
			  "other gateway's is always one."},
	{"kms.key_bits", "Size of a key where the request names none: a multiple of 8 from 64 to "
			 "256. Default 256."},
	{"kms.low_keys", "Fewer keys than these in stock raise kms_keys_low. Default 64."},
	{"gateway", "An IPsec tunnel to the other site with a PPK of the key store, and the fence "
		    "around it. Needs kms."},
	{"gateway.role",
		"initiator starts the rotations, responder follows; the other site has the other."},
	{"gateway.agent", "The link to the other site's gateway, TLS."},
	{"gateway.agent.role", "listen or connect; the other site has the other."},
	{"gateway.agent.address", "Address to listen on, or to connect to."},
	{"gateway.agent.port", "Port to listen on, or to connect to."},
	{"gateway.sae", "Name under which this gateway takes keys."},
	{"gateway.peer_sae", "Name under which the other gateway takes them."},
	{"gateway.interface", "The interface to the untrusted backhaul."},
	{"gateway.local_address", "Our address on the backhaul."},
	{"gateway.local_subnet", "What lies behind this gateway: ADDRESS/BITS."},
	{"gateway.remote_subnet",
		"What lies behind the other. It is reached through the tunnel or not at all."},
	{"gateway.certificate", "Certificate for IKE, PEM, with a DNS name."},
	{"gateway.key", "Its private key, PEM, for root alone."},
	{"gateway.ca", "The authority of both gateways' IKE certificates, PEM."},
	{"gateway.rotate_s", "Seconds from one PPK to the next, 1 to 86400. Taken by a reload."},
	{"gateway.lifetime_s", "A tunnel ends so long after its PPK where no rotation succeeds. "
			       "Default ten times rotate_s, at least 600. "
			       "Taken by a reload."},
	{"gateway.inside", "Interfaces of the site itself, at most 8: all passes on them but the "
			   "other site's addresses. Name the one that "
			   "you manage the machine by. Traffic that is forwarded passes through "
			   "the tunnel alone."},
	{"gateway.charon",
		"strongSwan's program, which the site then runs: /usr/sbin/charon-systemd."},
	{"gateway.vici", "Socket of a charon that somebody else runs."},
};

const char *site_help(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].path, path) == 0)
			return rows[i].help;
	return NULL;
}

size_t site_help_count(void)
{
	return ARRAY_LEN(rows);
}
