// A PKCS#11 module that passes calls on to a real one, and fails on demand. FAULTS_MODULE names the real module,
// FAULTS_CONTROL a file of the size of struct control. All processes map that file: a rule written there applies from their
// next call on, and its counters count the calls of all processes. faults.ts writes the file.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pkcs11.h>

enum { RULES = 16, HOLDERS = 30 };

// The numbers are those of `actions` in faults.ts.
enum action { NONE, COUNT, DELAY, FAIL, LOSE, HANG, CRASH, LOGOUT, CLOSE_SESSIONS };

struct rule {
  char function[32];  // name of a function, or "*" for all of them
  uint32_t action;
  uint32_t argument;  // DELAY: milliseconds; FAIL, LOSE: the CK_RV
  uint32_t after;     // number of calls that are left alone first
  uint32_t times;     // number of calls that are affected then
  uint32_t seen;      // calls so far
  uint32_t fired;     // calls affected so far
  uint32_t unused[2];
};

struct control {
  uint32_t resets;         // a change of this number closes all sessions, as a reboot of the device does
  uint32_t session_limit;  // sessions that the token allows; 0: the limit of the real module
  uint32_t own_ivs;        // CKM_AES_GCM: the module generates the IV; 1: writes it over the caller's, 2: keeps it
  uint32_t protected_path; // the PIN is entered at the device: the one in FAULTS_PIN
  pid_t holders[HOLDERS];  // processes that have a session open
  struct rule rules[RULES];
};

static struct control *control;
static CK_FUNCTION_LIST real;   // the real module
static CK_FUNCTION_LIST inner;  // the real module with limited sessions, own IVs and a protected path
static CK_FUNCTION_LIST outer;  // what the application calls
static uint32_t resets;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE session;

static void pause_for(unsigned milliseconds) { usleep(milliseconds * 1000); }

// Counts a session of this process; returns 0 if the limit is reached. Frees the sessions of processes that have died, as a
// real device does when it loses a connection.
static int take_place(void) {
  uint32_t taken = 0;
  int free_place = -1;
  for (int n = 0; n < HOLDERS; n++) {
    pid_t pid = control->holders[n];
    if (pid != 0 && kill(pid, 0) != 0 && errno == ESRCH)
      __atomic_compare_exchange_n(&control->holders[n], &pid, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (control->holders[n] != 0) taken++;
    else if (free_place < 0) free_place = n;
  }
  if (free_place < 0 || (control->session_limit != 0 && taken >= control->session_limit)) return 0;
  control->holders[free_place] = getpid();
  return 1;
}

static CK_RV drawing_EncryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  if (control->own_ivs && mechanism->mechanism == CKM_AES_GCM) {
    CK_GCM_PARAMS *parameters = mechanism->pParameter;
    if (control->own_ivs == 1) real.C_GenerateRandom(handle, parameters->pIv, parameters->ulIvLen);
    // 2: the IV is generated, and not returned.
    CK_BYTE secret[16];
    CK_GCM_PARAMS hidden = *parameters;
    CK_MECHANISM other = {CKM_AES_GCM, &hidden, sizeof hidden};
    if (control->own_ivs == 2) {
      real.C_GenerateRandom(handle, secret, sizeof secret);
      hidden.pIv = secret;
    }
    return real.C_EncryptInit(handle, &other, key);
  }
  return real.C_EncryptInit(handle, mechanism, key);
}

static CK_RV described_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO_PTR info) {
  CK_RV result = real.C_GetTokenInfo(id, info);
  if (result == CKR_OK && control->protected_path) info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
  return result;
}

static CK_RV protected_Login(CK_SESSION_HANDLE handle, CK_USER_TYPE type, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  const char *given = getenv("FAULTS_PIN");
  if (!control->protected_path) return real.C_Login(handle, type, pin, length);
  if (length != 0 || given == NULL) return CKR_ARGUMENTS_BAD;
  return real.C_Login(handle, type, (CK_UTF8CHAR_PTR)given, strlen(given));
}

static void leave_places(void) {
  for (int n = 0; n < HOLDERS; n++)
    if (control->holders[n] == getpid()) control->holders[n] = 0;
}

static CK_RV counted_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, CK_VOID_PTR app, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR handle) {
  if (!take_place()) return CKR_SESSION_COUNT;
  CK_RV result = real.C_OpenSession(id, flags, app, notify, handle);
  if (result != CKR_OK) leave_places();
  else slot = id, session = *handle;
  return result;
}

static CK_RV counted_CloseSession(CK_SESSION_HANDLE handle) {
  leave_places();
  return real.C_CloseSession(handle);
}

static CK_RV counted_Finalize(CK_VOID_PTR reserved) {
  leave_places();
  return real.C_Finalize(reserved);
}

static void close_sessions(void) {
  leave_places();
  real.C_CloseAllSessions(slot);
}

// Applies the rules to a call. Returns 1 if the caller gets *result; with *discard set, the real module is called first.
static int harmed(const char *function, CK_RV *result, int *discard) {
  if (control->resets != resets) {
    resets = control->resets;
    close_sessions();
  }
  for (struct rule *rule = control->rules; rule < control->rules + RULES; rule++) {
    uint32_t action = __atomic_load_n(&rule->action, __ATOMIC_ACQUIRE);
    if (action == NONE || (strcmp(rule->function, "*") != 0 && strcmp(rule->function, function) != 0)) continue;
    uint32_t seen = __atomic_fetch_add(&rule->seen, 1, __ATOMIC_SEQ_CST);
    if (seen < rule->after || seen - rule->after >= rule->times) continue;
    __atomic_fetch_add(&rule->fired, 1, __ATOMIC_SEQ_CST);
    switch ((enum action)action) {
    case NONE: case COUNT: break;
    case DELAY: pause_for(rule->argument); break;
    case FAIL: *result = rule->argument; return 1;
    case LOSE: *result = rule->argument; *discard = 1; return 1;
    case HANG:
      while (__atomic_load_n(&rule->action, __ATOMIC_ACQUIRE) == HANG) pause_for(5);
      break;
    case CRASH: signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); break;
    case LOGOUT: real.C_Logout(session); break;
    case CLOSE_SESSIONS: close_sessions(); break;
    }
  }
  return 0;
}

#define FUNCTIONS(EACH)                                                                                                \
  EACH(C_Initialize, (CK_VOID_PTR a), (a))                                                                             \
  EACH(C_Finalize, (CK_VOID_PTR a), (a))                                                                               \
  EACH(C_GetSlotList, (CK_BBOOL a, CK_SLOT_ID_PTR b, CK_ULONG_PTR c), (a, b, c))                                       \
  EACH(C_GetTokenInfo, (CK_SLOT_ID a, CK_TOKEN_INFO_PTR b), (a, b))                                                    \
  EACH(C_GetMechanismList, (CK_SLOT_ID a, CK_MECHANISM_TYPE_PTR b, CK_ULONG_PTR c), (a, b, c))                         \
  EACH(C_GetMechanismInfo, (CK_SLOT_ID a, CK_MECHANISM_TYPE b, CK_MECHANISM_INFO_PTR c), (a, b, c))                    \
  EACH(C_OpenSession, (CK_SLOT_ID a, CK_FLAGS b, CK_VOID_PTR c, CK_NOTIFY d, CK_SESSION_HANDLE_PTR e), (a, b, c, d, e)) \
  EACH(C_CloseSession, (CK_SESSION_HANDLE s), (s))                                                                     \
  EACH(C_GetSessionInfo, (CK_SESSION_HANDLE s, CK_SESSION_INFO_PTR a), (s, a))                                         \
  EACH(C_Login, (CK_SESSION_HANDLE s, CK_USER_TYPE a, CK_UTF8CHAR_PTR b, CK_ULONG c), (s, a, b, c))                    \
  EACH(C_Logout, (CK_SESSION_HANDLE s), (s))                                                                           \
  EACH(C_CreateObject, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_OBJECT_HANDLE_PTR c), (s, a, b, c))    \
  EACH(C_CopyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_OBJECT_HANDLE_PTR c), (s, o, a, b, c)) \
  EACH(C_DestroyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o))                                             \
  EACH(C_GetAttributeValue, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG b), (s, o, a, b))   \
  EACH(C_FindObjectsInit, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR a, CK_ULONG b), (s, a, b))                            \
  EACH(C_FindObjects, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE_PTR a, CK_ULONG b, CK_ULONG_PTR c), (s, a, b, c))         \
  EACH(C_FindObjectsFinal, (CK_SESSION_HANDLE s), (s))                                                                 \
  EACH(C_EncryptInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (s, m, o))                        \
  EACH(C_Encrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c, d))    \
  EACH(C_DecryptInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (s, m, o))                        \
  EACH(C_Decrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c, d))    \
  EACH(C_SignInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (s, m, o))                           \
  EACH(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c, d))       \
  EACH(C_VerifyInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (s, m, o))                         \
  EACH(C_Verify, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG d), (s, a, b, c, d))         \
  EACH(C_GenerateKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_OBJECT_HANDLE_PTR c), (s, m, a, b, c)) \
  EACH(C_GenerateKeyPair, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_ATTRIBUTE_PTR c, CK_ULONG d, CK_OBJECT_HANDLE_PTR e, CK_OBJECT_HANDLE_PTR f), (s, m, a, b, c, d, e, f)) \
  EACH(C_WrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o, CK_OBJECT_HANDLE p, CK_BYTE_PTR a, CK_ULONG_PTR b), (s, m, o, p, a, b)) \
  EACH(C_UnwrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o, CK_BYTE_PTR a, CK_ULONG b, CK_ATTRIBUTE_PTR c, CK_ULONG d, CK_OBJECT_HANDLE_PTR e), (s, m, o, a, b, c, d, e)) \
  EACH(C_DeriveKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_OBJECT_HANDLE_PTR c), (s, m, o, a, b, c)) \
  EACH(C_GenerateRandom, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))

#define WRAPPER(name, parameters, arguments)            \
  static CK_RV faulty_##name parameters {               \
    CK_RV result = CKR_OK;                              \
    int discard = 0;                                    \
    if (!harmed(#name, &result, &discard)) return inner.name arguments; \
    if (discard) inner.name arguments;                  \
    return result;                                      \
  }
FUNCTIONS(WRAPPER)

static int load(void) {
  const char *module = getenv("FAULTS_MODULE"), *path = getenv("FAULTS_CONTROL");
  if (module == NULL || path == NULL) return 0;
  int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return 0;
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  if (control == MAP_FAILED || library == NULL) return 0;
  CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  CK_FUNCTION_LIST_PTR list;
  if (get == NULL || get(&list) != CKR_OK) return 0;
  resets = control->resets;
  outer = inner = real = *list;
  inner.C_OpenSession = counted_OpenSession;
  inner.C_CloseSession = counted_CloseSession;
  inner.C_Finalize = counted_Finalize;
  inner.C_EncryptInit = drawing_EncryptInit;
  inner.C_GetTokenInfo = described_GetTokenInfo;
  inner.C_Login = protected_Login;
#define REPLACE(name, parameters, arguments) outer.name = faulty_##name;
  FUNCTIONS(REPLACE)
  return 1;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  if (control == NULL && !load()) return CKR_GENERAL_ERROR;
  *list = &outer;
  return CKR_OK;
}
