"""The engine `rtdb://`: Firebase Realtime Database, whose own rules check the revision of every document."""
