package main

import (
	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"github.com/chord-state/chord/clients/go/internal/bridge"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// vectorOps need no server: they run the client's own code on bytes and values.
var vectorOps = map[string]func(args) (form, error){
	"decode": decode,
	"encode": encode,
	"apply":  apply,
	"error":  decodeError,
	"track":  track,
}

func decode(args args) (form, error) {
	message := &structpb.Struct{}
	if err := proto.Unmarshal(args.Wire, message); err != nil {
		return nil, err
	}
	return form{"value": bridge.FromStruct(message)}, nil
}

func encode(args args) (form, error) {
	message, err := bridge.ToStruct(args.object())
	if err != nil {
		return nil, err
	}
	wire, err := proto.Marshal(message)
	return form{"wire": wire}, err
}

func apply(args args) (form, error) {
	delta := &chordv1.Delta{}
	if err := proto.Unmarshal(args.Wire, delta); err != nil {
		return nil, err
	}
	value, err := bridge.Apply(args.Document, delta)
	return form{"value": value}, err
}

func decodeError(args args) (form, error) {
	// What gRPC does with the trailer: one that is no status counts as absent.
	message := &spb.Status{}
	if args.Details == nil || proto.Unmarshal(args.Details, message) != nil {
		message = &spb.Status{Code: args.Code, Message: args.Message}
	}
	err, transient := bridge.DecodeError(status.FromProto(message))
	return form{"error": errorForm(err), "transient": transient}, nil
}

func track(args args) (form, error) {
	subscriptions := make([]*chordv1.Subscription, len(args.Targets))
	for i, each := range args.Targets {
		subscriptions[i] = &chordv1.Subscription{Target: &chordv1.Subscription_Prefix{Prefix: each.Prefix}}
		if each.ID != nil {
			subscriptions[i].Target = &chordv1.Subscription_ContextId{ContextId: *each.ID}
		}
	}
	known := map[string]*chordv1.Position{}
	for id, position := range args.knownPositions() {
		known[id] = &chordv1.Position{Epoch: position.Epoch, Version: position.Version, Digest: position.Digest}
	}
	bytesMax := -1
	if args.KnownBytesMax != nil {
		bytesMax = *args.KnownBytesMax
	}
	tracker := bridge.NewTracker(subscriptions, known, bytesMax)
	steps := make([]form, len(args.Steps))
	for i, step := range args.Steps {
		made, err := trackStep(tracker, step)
		if err != nil {
			return nil, err
		}
		steps[i] = made
	}
	return form{"steps": steps}, nil
}

func trackStep(tracker bridge.Tracker, step step) (form, error) {
	if step.Response == nil {
		known := []form{}
		for _, subscription := range tracker.Connect() {
			positions := form{}
			for id, each := range subscription.GetKnown() {
				positions[id] = form{"epoch": each.GetEpoch(), "version": each.GetVersion(), "digest": each.GetDigest()}
			}
			known = append(known, positions)
		}
		return form{"known": known}, nil
	}
	message := &chordv1.WatchContextsResponse{}
	if err := proto.Unmarshal(*step.Response, message); err != nil {
		return nil, err
	}
	events := []form{}
	taken, fits := tracker.Take(message)
	for _, event := range taken {
		events = append(events, eventForm(event))
	}
	if !fits {
		return form{"events": events, "gap": true}, nil
	}
	return form{"events": events}, nil
}
