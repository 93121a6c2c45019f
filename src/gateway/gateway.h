// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The gateway room: a quantum-safe tunnel between two sites, kept so by decisions that need no socket.
 *
 * The tunnel itself is strongSwan's (charon): IKEv2 with certificates, and with a post-quantum preshared key
 * (PPK) from the key store, which is required: without it there is no tunnel [RFC 8784]. The PPK enters SK_d, and with it
 * every child key, at IKE_AUTH alone. A rekey does not take a new one, so a fresh PPK means a new
 * IKE SA, made before the old one is broken.
 *
 *   PPK        32 octets of hybrid key (QKD and ML-KEM) from the key store. Its id is "<key id>@merlon".
 *   rotation   one attempt to bring up an IKE SA under a fresh PPK. Each has a connection of its own in charon,
 *              "merlon-<key id>", with that one ppk_id in it: the name of an SA says which PPK it was made under.
 *              (Changing ppk_id in a loaded connection does not do: charon's reauthentication goes on
 *              using the configuration, and the PPK id, of the old SA, and reports success.)
 *   initiator  the side that takes keys, offers their ids and initiates. The other is the responder.
 *
 * A PPK is used once. As soon as the SA is confirmed, both sides unload it, so charon holds one only
 * for the moments of a rotation. When charon was restarted, the answer is not the old PPK but a fresh one.
 *
 *   rotate.h   when and how: the rotation as a table of states, for both sides
 *   tunnel.h   the tunnel in the words of VICI
 *   fence.h    what keeps clear traffic in when charon is dead: nftables and unreachable routes, as text
 *   conf.h     charon's own configuration, as text
 *
 * Success is what charon's events and its list of SAs show, never that it accepted a command. No key, no tunnel: it is never
 * brought up weaker than its policy; the old SA serves until its lifetime ends, then there is none.
 */
